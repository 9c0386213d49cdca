//! Helpers for the operating system and the network: connections of a port, directories, the disk, facts about the
//! machine, what HTTP clients share, new files, own files, leftover files, the sandbox of readers, and the service manager.

mod accept;
mod directory;
mod disk;
mod facts;
mod http;
mod leftovers;
mod new_file;
mod own_file;
mod sandbox;
mod service_manager;

pub use accept::accept;
pub use directory::{make_directory, make_durable, obstacle};
pub use disk::{disk_advice, is_no_room, survive_file_size_limit, write_trouble};
pub use facts::{FileSystem, Kind, available_memory, file_system, largest_file, open_files};
pub use http::{is_loopback, root_certificates};
pub use leftovers::sweep;
pub use new_file::{beside, make_new_files_private, set_permission_mask};
pub use own_file::{open_own, own_directory};
pub use sandbox::{Layer, confine, keep_memory_private, layers};
pub use service_manager::{ServiceState, opened_port, tell_service_manager, watchdog};
