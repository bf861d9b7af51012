//! The cases do what their names say: what a step is divided by is what it delivers, and nothing is lost on the way.

use burgee_benches::cases;

#[test]
fn a_step_delivers_as_many_messages_as_it_is_divided_by() {
    for case in cases::all() {
        let mut work = (case.make)();
        let mut before = work.delivered();
        for step in 0..60 {
            work.step();
            let now = work.delivered();
            let expected = if case.delivers { case.per } else { 0 };
            assert_eq!(now - before, expected, "{} at step {step}", case.name);
            before = now;
        }
    }
}

#[test]
fn no_two_cases_have_one_name() {
    let mut names: Vec<_> = cases::all().iter().map(|case| case.name).collect();
    names.sort_unstable();
    assert!(names.is_sorted_by(|a, b| a < b));
}
