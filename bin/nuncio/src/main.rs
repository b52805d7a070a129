//! The `nuncio` command.

use std::process::ExitCode;

/// It gives memory back when it is free; the system's allocator keeps what a crowd at the door made it take.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    nuncio::main()
}
