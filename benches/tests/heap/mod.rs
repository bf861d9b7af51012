//! Counts what the whole process allocates, and on request says where.
//!
//! What must hold: what is counted begins and ends with the work; warming up is over before.

use dhat::{HeapStats, Profiler};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Set it to a directory, and what was allocated where is written there, for dhat's viewer.
const WHERE: &str = "BURGEE_ALLOCATIONS";

/// How often memory was asked for, or asked to grow, while `work` ran.
pub(crate) fn allocations_while(name: &str, work: impl FnOnce()) -> u64 {
    if let Some(directory) = std::env::var_os(WHERE) {
        let file = std::path::Path::new(&directory).join(name.replace('/', "-") + ".json");
        let profiler = Profiler::builder().file_name(file).trim_backtraces(None).build();
        work();
        let counted = HeapStats::get().total_blocks;
        drop(profiler);
        return counted;
    }
    let profiler = Profiler::builder().testing().build();
    work();
    let counted = HeapStats::get().total_blocks;
    drop(profiler);
    counted
}
