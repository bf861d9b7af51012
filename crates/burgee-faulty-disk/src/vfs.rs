//! The table of functions that SQLite calls: each asks the log whether it fails, passes the call on, and notes it.
//!
//! What must hold: a file of ours is the head [`File`] and, right behind it in the same memory, the file of the file
//! system below; SQLite gives us that much memory because `szOsFile` says so. The table and the file system below live
//! as long as the process.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, Once};

use rusqlite::ffi;

use crate::log::{Call, Log};
use crate::{find, locked};

/// The head of a file of ours.
#[repr(C, align(8))]
struct File {
    base: ffi::sqlite3_file,
    /// What is noted about it, if its directory is watched; owned.
    noted: *mut Noted,
}

struct Noted {
    log: Arc<Mutex<Log>>,
    name: String,
}

/// The file system below.
static BELOW: AtomicPtr<ffi::sqlite3_vfs> = AtomicPtr::new(null_mut());

/// Makes ours the file system that SQLite takes when it is not told otherwise.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: SQLite returns its default file system, which lives as long as the process and is not changed.
        let below = unsafe { ffi::sqlite3_vfs_find(null()) };
        assert!(!below.is_null(), "SQLite has a file system");
        BELOW.store(below, Ordering::SeqCst);
        // SAFETY: `below` is valid, see above; the copy is a table of functions that do not look at the table.
        let mut ours = unsafe { *below };
        ours.szOsFile += c_int::try_from(size_of::<File>()).unwrap_or(c_int::MAX);
        ours.pNext = null_mut();
        ours.zName = c"burgee-faulty-disk".as_ptr();
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        // SAFETY: the table lives for ever.
        let code = unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 1) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes a file system");
    });
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Without shared memory: the store locks its files exclusively.
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// The file below, which lies behind the head.
///
/// # Safety
/// `file` is one of ours.
unsafe fn below(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: SQLite gave room for both.
    unsafe { file.cast::<u8>().add(size_of::<File>()).cast() }
}

/// Calls a method of the file below.
macro_rules! pass {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        // SAFETY: the file below was opened by the file system below, so it has its methods.
        let real = unsafe { below($file) };
        // SAFETY: as above.
        match unsafe { (*(*real).pMethods).$method } {
            // SAFETY: the arguments are those that SQLite gave us for this very call.
            Some(method) => unsafe { method(real $(, $argument)*) },
            None => ffi::SQLITE_NOTFOUND,
        }
    }};
}

/// # Safety
/// `file` is one of ours.
unsafe fn noted<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a Noted> {
    // SAFETY: the head was written by `open`; what it points to is owned by it until `close`.
    unsafe { (*file.cast::<File>()).noted.as_ref() }
}

/// The code with which this call fails.
///
/// # Safety
/// `file` is one of ours.
unsafe fn fails(file: *mut ffi::sqlite3_file, call: Call) -> Option<c_int> {
    // SAFETY: as above.
    let noted = unsafe { noted(file) }?;
    locked(&noted.log).fails(call, &noted.name)
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let vfs = BELOW.load(Ordering::SeqCst);
    let head = file.cast::<File>();
    // SAFETY: SQLite gave room for the head and the file below.
    let real = unsafe {
        (*head).base.pMethods = null();
        (*head).noted = null_mut();
        below(file)
    };
    // SAFETY: `vfs` is the file system below.
    let Some(open) = (unsafe { (*vfs).xOpen }) else {
        return ffi::SQLITE_CANTOPEN;
    };
    // SAFETY: the arguments are SQLite's own, but for the file, which is the one below.
    let code = unsafe { open(vfs, name, real, flags, out) };
    // SAFETY: opening has set the methods, or to null where there is nothing to close.
    if unsafe { (*real).pMethods }.is_null() {
        return code;
    }
    let found = if name.is_null() {
        None
    } else {
        // SAFETY: SQLite's names end with a zero byte.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
        find(Path::new(&*name))
    };
    if let Some((log, name)) = found {
        let noted = Box::into_raw(Box::new(Noted { log, name }));
        // SAFETY: as above.
        unsafe { (*head).noted = noted };
    }
    // SAFETY: as above.
    unsafe { (*head).base.pMethods = &raw const METHODS };
    code
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync_directory: c_int) -> c_int {
    let vfs = BELOW.load(Ordering::SeqCst);
    // SAFETY: `vfs` is the file system below.
    let Some(delete) = (unsafe { (*vfs).xDelete }) else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    // SAFETY: the arguments are SQLite's own.
    let code = unsafe { delete(vfs, name, sync_directory) };
    // SAFETY: SQLite's names end with a zero byte.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    if code == ffi::SQLITE_OK
        && let Some((log, name)) = find(Path::new(&*name))
    {
        locked(&log).delete(&name);
    }
    code
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let code = pass!(file, xClose);
    // SAFETY: the head owns it, and nobody uses the file any more.
    unsafe {
        let noted = std::mem::replace(&mut (*file.cast::<File>()).noted, null_mut());
        if !noted.is_null() {
            drop(Box::from_raw(noted));
        }
    }
    code
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, len: c_int, at: i64) -> c_int {
    // SAFETY: SQLite calls this with a file of ours.
    if let Some(code) = unsafe { fails(file, Call::Read) } {
        return code;
    }
    pass!(file, xRead, to, len, at)
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, len: c_int, at: i64) -> c_int {
    // SAFETY: SQLite calls this with a file of ours.
    if let Some(code) = unsafe { fails(file, Call::Write) } {
        return code;
    }
    let code = pass!(file, xWrite, from, len, at);
    // SAFETY: as above.
    if code == ffi::SQLITE_OK
        && let Some(noted) = unsafe { noted(file) }
        && let (Ok(len), Ok(at)) = (usize::try_from(len), usize::try_from(at))
    {
        // SAFETY: SQLite gave that many bytes.
        let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), len) };
        locked(&noted.log).write(&noted.name, at, bytes);
    }
    code
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: i64) -> c_int {
    // SAFETY: SQLite calls this with a file of ours.
    if let Some(code) = unsafe { fails(file, Call::Truncate) } {
        return code;
    }
    let code = pass!(file, xTruncate, len);
    // SAFETY: as above.
    if code == ffi::SQLITE_OK
        && let Some(noted) = unsafe { noted(file) }
        && let Ok(len) = usize::try_from(len)
    {
        locked(&noted.log).truncate(&noted.name, len);
    }
    code
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite calls this with a file of ours.
    if let Some(code) = unsafe { fails(file, Call::Sync) } {
        return code;
    }
    // SAFETY: as above.
    if let Some(noted) = unsafe { noted(file) } {
        // The disk that is meant is ours: the real one need not be troubled.
        locked(&noted.log).sync(&noted.name);
        return ffi::SQLITE_OK;
    }
    pass!(file, xSync, flags)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    pass!(file, xFileSize, out)
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass!(file, xLock, level)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass!(file, xUnlock, level)
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    pass!(file, xCheckReservedLock, out)
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, what: c_int, argument: *mut c_void) -> c_int {
    pass!(file, xFileControl, what, argument)
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file, xSectorSize)
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file, xDeviceCharacteristics)
}
