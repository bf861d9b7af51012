//! From the options of a scenario to its plan.

use burgee_load::scenario::{
    Connect, FanIn, FanOut, Idle, Large, Latency, Mix, Offline, PairToPair, Retained, Slow, Subscriptions,
};
use burgee_load::{Error, Outcome, Target, Watch};

use super::options::{self, Common, Scenario, SelfTest};

/// A run that only lacks the broker.
pub(super) struct Job {
    /// Connections that it needs at one time.
    pub(super) connections: usize,
    /// The option that asked for so many.
    pub(super) option: &'static str,
    pub(super) run: Run,
}

type Run = Box<dyn FnOnce(&Target, Watch<'_>) -> Result<Outcome, Error>>;

/// What was asked for; none for the self-test, which needs no broker.
pub(super) fn job(scenario: Scenario) -> Result<(Common, Job), SelfTest> {
    Ok(match scenario {
        Scenario::P2p(options) => p2p(options),
        Scenario::Fanin(options) => fan_in(options),
        Scenario::Fanout(options) => fan_out(options),
        Scenario::Connect(options) => connect(options),
        Scenario::Idle(options) => idle(options),
        Scenario::Latency(options) => latency(options),
        Scenario::Subscriptions(options) => subscriptions(options),
        Scenario::Retained(options) => retained(options),
        Scenario::Offline(options) => offline(options),
        Scenario::Large(options) => large(options),
        Scenario::Slow(options) => slow(options),
        Scenario::SelfTest(options) => return Err(options),
    })
}

fn job_of(connections: usize, option: &'static str, run: Run) -> Job {
    Job {
        connections,
        option,
        run,
    }
}

fn p2p(options: options::P2p) -> (Common, Job) {
    let default = PairToPair::default();
    let plan = PairToPair {
        pairs: size(options.pairs),
        load: options.pressure.over(default.load),
    };
    let run = Box::new(move |target: &Target, watch: Watch<'_>| plan.run(target, watch));
    (options.common, job_of(2 * plan.pairs, "--pairs", run))
}

fn fan_in(options: options::FanIn) -> (Common, Job) {
    let default = FanIn::default();
    let plan = FanIn {
        publishers: size(options.publishers),
        load: options.pressure.over(default.load),
    };
    let run = Box::new(move |target: &Target, watch: Watch<'_>| plan.run(target, watch));
    (options.common, job_of(plan.publishers + 1, "--publishers", run))
}

fn fan_out(options: options::FanOut) -> (Common, Job) {
    let default = FanOut::default();
    let plan = FanOut {
        subscribers: size(options.subscribers),
        load: options.pressure.over(default.load),
    };
    let run = Box::new(move |target: &Target, watch: Watch<'_>| plan.run(target, watch));
    (options.common, job_of(plan.subscribers + 1, "--subscribers", run))
}

fn connect(options: options::Connect) -> (Common, Job) {
    let default = Connect::default();
    let count = options.storm.or(options.count).map_or(default.count, size);
    let plan = Connect {
        count,
        storm: options.storm.is_some(),
        persistent: options.persistent,
    };
    // One after the other, each is gone before the next one comes.
    let connections = if plan.storm { count + 2 } else { 64 };
    let run = Box::new(move |target: &Target, watch: Watch<'_>| plan.run(target, watch));
    (options.common, job_of(connections, "--storm", run))
}

fn idle(options: options::Idle) -> (Common, Job) {
    let plan = Idle {
        connections: size(options.connections),
        qos: options.qos,
        quiet: options.quiet_seconds,
    };
    let connections = plan.connections + 1;
    let run = Box::new(move |target: &Target, watch: Watch<'_>| plan.run(target, watch));
    (options.common, job_of(connections, "--connections", run))
}

fn latency(options: options::Latency) -> (Common, Job) {
    let default = Latency::default();
    let plan = Latency {
        pairs: size(options.pairs),
        load: options.pressure.over(default.load),
    };
    let run = Box::new(move |target: &Target, watch: Watch<'_>| plan.run(target, watch));
    (options.common, job_of(2 * plan.pairs, "--pairs", run))
}

fn subscriptions(options: options::Subscriptions) -> (Common, Job) {
    let [exact, plus, hash] = options.mix;
    let plan = Subscriptions {
        filters: size(options.filters),
        clients: size(options.clients),
        mix: Mix { exact, plus, hash },
        per_packet: size(options.per_packet),
        messages: size(options.messages),
        qos: options.qos,
        payload: options.payload,
        window: options.window,
    };
    let connections = plan.clients + 1;
    let run = Box::new(move |target: &Target, watch: Watch<'_>| plan.run(target, watch));
    (options.common, job_of(connections, "--clients", run))
}

fn retained(options: options::Retained) -> (Common, Job) {
    let plan = Retained {
        count: size(options.count),
        payload: options.payload,
        qos: options.qos,
        window: options.window,
        readers: size(options.readers),
        keep: options.keep,
    };
    let connections = plan.readers + 3;
    let run = Box::new(move |target: &Target, watch: Watch<'_>| plan.run(target, watch));
    (options.common, job_of(connections, "--readers", run))
}

fn offline(options: options::Offline) -> (Common, Job) {
    let plan = Offline {
        sessions: size(options.sessions),
        messages: size(options.messages),
        qos: options.qos,
        payload: options.payload,
        window: options.window,
    };
    let connections = plan.sessions + 1;
    let run = Box::new(move |target: &Target, watch: Watch<'_>| plan.run(target, watch));
    (options.common, job_of(connections, "--sessions", run))
}

fn large(options: options::Large) -> (Common, Job) {
    let default = Large::default();
    let plan = Large {
        subscribers: size(options.subscribers),
        load: options.pressure.over(default.load),
    };
    let run = Box::new(move |target: &Target, watch: Watch<'_>| plan.run(target, watch));
    (options.common, job_of(plan.subscribers + 1, "--subscribers", run))
}

fn slow(options: options::Slow) -> (Common, Job) {
    let default = Slow::default();
    let plan = Slow {
        subscribers: size(options.subscribers),
        stalled: size(options.stalled),
        load: options.pressure.over(default.load),
    };
    let run = Box::new(move |target: &Target, watch: Watch<'_>| plan.run(target, watch));
    (options.common, job_of(plan.subscribers + 1, "--subscribers", run))
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
