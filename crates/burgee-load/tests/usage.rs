//! What is read of a process is true: of this one, which does nothing else meanwhile. Hence one test in a program of its own.

use burgee_load::usage::{cpu, memory};

#[test]
fn own_figures_grow() {
    let me = std::process::id();
    let (cpu_before, memory_before) = (cpu(me).unwrap(), memory(me).unwrap());
    let ballast = vec![1_u8; 32 << 20];
    let grown = memory(me).unwrap().private_dirty - memory_before.private_dirty;
    assert!((30 << 20..40 << 20).contains(&grown), "grew by {grown}");
    // Work until it shows: the system counts in steps.
    let mut sum = 0_u64;
    for _ in 0..1000 {
        sum += ballast.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        if cpu(me).unwrap() > cpu_before {
            return;
        }
    }
    panic!("{sum} was added up and cost nothing");
}
