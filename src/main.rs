//! The `vouchsafe` command.

/// A request takes and frees some hundred small pieces of memory; this one does so faster than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    vouchsafe::cli::main()
}
