//! Makes a script that fails short: a reader wants the three steps that matter.

use super::script::Step;

/// Cuts as long as the script still fails, in whatever way. `fails` plays one.
pub(super) fn shrink(
    script: &[Step],
    what: String,
    mut fails: impl FnMut(&[Step]) -> Option<String>,
) -> (Vec<Step>, String) {
    let mut best = (script.to_vec(), what);
    let mut size = best.0.len();
    while size > 0 {
        let mut at = 0;
        while at < best.0.len() {
            let shorter = without(&best.0, at, size);
            if let Some(what) = fails(&shorter) {
                best = (shorter, what);
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    for at in 0..best.0.len() {
        let mut act = 0;
        while let Some(shorter) = without_act(&best.0, at, act) {
            if let Some(what) = fails(&shorter) {
                best = (shorter, what);
            } else {
                act += 1;
            }
        }
    }
    best
}

fn without(script: &[Step], at: usize, size: usize) -> Vec<Step> {
    let before = script.iter().take(at);
    before.chain(script.iter().skip(at + size)).cloned().collect()
}

fn without_act(script: &[Step], at: usize, act: usize) -> Option<Vec<Step>> {
    let mut shorter = script.to_vec();
    let Some(Step::Submit(_, acts)) = shorter.get_mut(at) else {
        return None;
    };
    if act >= acts.len() {
        return None;
    }
    acts.remove(act);
    Some(shorter)
}
