//! Test servers, workspaces to run the program in, and input files.

mod account;
mod answers;
mod collector;
mod files;
mod hostile;
mod ledger;
#[cfg(unix)]
pub mod postgres;
pub mod receiver;
mod s3;
mod server;
pub mod serving;
pub mod sources;
mod wire;
mod workspace;

pub use account::{AccountServer, Books, Terms};
pub use answers::filled;
pub use collector::{Collector, Export, attributes};
pub use files::{exif_rotated_jpeg, jpeg, jpeg_cut_off, large_jpeg, numbered_png, png, png_that_claims, unreadable_by_us, utf16le};
pub use hostile::hostile_files;
pub use ledger::Ledger;
pub use s3::{Bucket, SIGN};
pub use server::{Ask, ModelServer, Reply};
pub use wire::Dialect;
pub use workspace::{Finished, Running, Table, Workspace, without_seconds};

/// A pseudo-random number that depends only on its arguments. Tests use it for repeatable delays
/// and faults.
pub fn dice(seed: u64, text: &str, salt: u32) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(salt).rotate_left(40);
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // The low bits of a plain multiplicative hash are not random enough for small moduli.
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}
