//! No backtraces: a panic ends in its message. std's own answer would link a stack unwinder and a reader of debugging
//! information, a quarter of a megabyte for a stripped program that has none. With these in their place the linker finds
//! both unused. Names and arguments are those of the Itanium C++ ABI, level I; with panic=abort nothing else calls them.
#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};

/// `_URC_END_OF_STACK`
const END_OF_STACK: c_int = 5;

/// Walks no frame.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_each: *const c_void, _argument: *mut c_void) -> c_int {
    END_OF_STACK
}

macro_rules! nothing {
    ($($name:ident)*) => {
        $(
            /// Asked about a frame, of which there are none.
            #[unsafe(no_mangle)]
            extern "C" fn $name(_context: *mut c_void) -> usize {
                0
            }
        )*
    };
}

nothing! {
    _Unwind_GetIP _Unwind_GetIPInfo _Unwind_GetCFA _Unwind_GetRegionStart _Unwind_GetLanguageSpecificData
    _Unwind_GetTextRelBase _Unwind_GetDataRelBase _Unwind_FindEnclosingFunction _Unwind_SetGR _Unwind_SetIP
    _Unwind_Resume _Unwind_RaiseException _Unwind_DeleteException
}
