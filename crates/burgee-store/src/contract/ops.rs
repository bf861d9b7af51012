//! Operations in few words, for stories and scripts.

use burgee_codec::{PacketId, QoS, TopicFilterBuf, TopicName};

use crate::batch::{MessageNo, Op, Replay, SessionNo, Stage, Will};
use crate::body::Body;

pub(super) const ONE: QoS = QoS::AtLeastOnce;
pub(super) const TWO: QoS = QoS::ExactlyOnce;

pub(super) fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap_or(PacketId::MAX)
}

pub(super) fn body(topic: &str, payload: &str) -> Body {
    Body::of(TopicName::trusted(topic), payload.as_bytes())
}

pub(super) fn filter(raw: &str) -> TopicFilterBuf {
    TopicFilterBuf::parse(raw).expect("the filters of stories and scripts are written here and well-formed")
}

pub(super) fn created(session: u64, client_id: &str) -> Op {
    Op::SessionCreated {
        session: SessionNo(session),
        client_id: client_id.into(),
        user: None,
    }
}

pub(super) fn created_by(user: &str, session: u64, client_id: &str) -> Op {
    Op::SessionCreated {
        session: SessionNo(session),
        client_id: client_id.into(),
        user: Some(user.into()),
    }
}

pub(super) fn claimed(session: u64, user: &str) -> Op {
    Op::SessionClaimed {
        session: SessionNo(session),
        user: user.into(),
    }
}

pub(super) const fn deleted(session: u64) -> Op {
    Op::SessionDeleted {
        session: SessionNo(session),
    }
}

pub(super) fn subscribed(session: u64, raw: &str, qos: QoS) -> Op {
    subscribed_with(session, raw, qos, Replay::Done)
}

pub(super) fn subscribed_with(session: u64, raw: &str, qos: QoS, replay: Replay) -> Op {
    Op::Subscribed {
        session: SessionNo(session),
        filter: filter(raw),
        qos,
        replay,
    }
}

pub(super) fn replayed(session: u64, raw: &str, replay: Replay) -> Op {
    Op::Replayed {
        session: SessionNo(session),
        filter: filter(raw),
        replay,
    }
}

pub(super) fn behind(topic: &str) -> Replay {
    Replay::Behind(TopicName::trusted(topic).into())
}

pub(super) fn unsubscribed(session: u64, raw: &str) -> Op {
    Op::Unsubscribed {
        session: SessionNo(session),
        filter: filter(raw),
    }
}

/// A message on the topic `t` that each of these sessions is owed with QoS 2.
pub(super) fn owed(message: u64, payload: &str, sessions: &[u64]) -> Op {
    Op::Owed {
        message: MessageNo(message),
        body: body("t", payload),
        retain: false,
        owing: sessions.iter().map(|session| (SessionNo(*session), TWO)).collect(),
    }
}

pub(super) const fn settled(session: u64, message: u64) -> Op {
    Op::Settled {
        session: SessionNo(session),
        message: MessageNo(message),
    }
}

pub(super) fn delivery(session: u64, message: u64, number: u16, stage: Stage) -> Op {
    Op::Delivery {
        session: SessionNo(session),
        message: MessageNo(message),
        id: id(number),
        stage,
    }
}

pub(super) fn received(session: u64, number: u16) -> Op {
    Op::Received {
        session: SessionNo(session),
        id: id(number),
    }
}

pub(super) fn freed(session: u64, number: u16) -> Op {
    Op::Freed {
        session: SessionNo(session),
        id: id(number),
    }
}

pub(super) fn will(payload: &str) -> Will {
    Will {
        body: body("will", payload),
        qos: ONE,
        retain: true,
    }
}

pub(super) const fn will_set(session: u64, will: Will) -> Op {
    Op::WillSet {
        session: SessionNo(session),
        will,
    }
}

pub(super) const fn will_cleared(session: u64) -> Op {
    Op::WillCleared {
        session: SessionNo(session),
    }
}

pub(super) fn retained(topic: &str, payload: &str) -> Op {
    retained_at(0, topic, payload)
}

pub(super) fn retained_at(stamp: u64, topic: &str, payload: &str) -> Op {
    Op::Retained {
        body: body(topic, payload),
        qos: ONE,
        stamp,
    }
}

pub(super) fn unretained(topic: &str) -> Op {
    unretained_at(0, topic, 0)
}

pub(super) fn unretained_at(stamp: u64, topic: &str, oldest: u64) -> Op {
    Op::Unretained {
        topic: TopicName::trusted(topic).into(),
        stamp,
        oldest,
    }
}
