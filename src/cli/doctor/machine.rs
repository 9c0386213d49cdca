//! Checks of the machine: limits of the process and features of the kernel.

use super::Finding;
use crate::setup::Settings;
use crate::system::{Layer, available_memory, largest_file, layers, open_files};

/// Open files besides connections and documents: run store, results, terminals, libraries.
const FURTHER_FILES: u64 = 64;

/// Whether the limits of the process allow what the settings ask for.
pub(super) fn limits(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let places = settings.llm.places() as u64;
    let needed = 2 * places + settings.read.concurrency as u64 + FURTHER_FILES;
    findings.push(match open_files() {
        Some(most) if most < needed => Finding::warning(
            "open files",
            format!("{most} allowed, about {needed} needed for {places} requests in flight"),
            format!("Run ulimit -n {needed} first, or lower llm.concurrency"),
        ),
        Some(most) => Finding::ok("open files", format!("{most} allowed, about {needed} needed")),
        None => Finding::ok("open files", "no limit"),
    });
    let workers = settings.prepare.parallelism() as u64;
    let needed = settings.read.memory_mb + 2 * settings.prepare.memory_mb;
    let documents = workers * settings.prepare.document_mb;
    findings.push(match available_memory() {
        Some(bytes) if bytes >> 20 < needed => Finding::warning(
            "memory",
            format!("{} MB available, up to {needed} MB used for documents", bytes >> 20),
            "Lower read.memory_mb and prepare.memory_mb",
        ),
        Some(bytes) if bytes >> 20 < needed + documents => Finding::warning(
            "memory",
            format!(
                "{} MB available, up to {needed} MB used for documents, and up to {documents} MB for {workers} that are read at the same time",
                bytes >> 20
            ),
            "If documents are from strangers, lower prepare.document_mb or prepare.workers",
        ),
        Some(bytes) => Finding::ok("memory", format!("{} MB available, up to {needed} MB used for documents", bytes >> 20)),
        None => Finding::ok("memory", "unknown on this system"),
    });
    if let Some(most) = largest_file() {
        findings.push(Finding::warning("file size", format!("files may have at most {} MB", most >> 20), "Run ulimit -f unlimited first"));
    }
    findings
}

/// Whether the kernel can confine the processes that read documents.
pub(super) fn kernel() -> Vec<Finding> {
    let finding = |layer: Layer| match layer.missing {
        None => Finding::ok("kernel", layer.name),
        Some(why) => {
            Finding::warning("kernel", format!("no {}: {why}", layer.name), "Readers of documents have less protection. Use a newer kernel")
        }
    };
    layers().into_iter().map(finding).collect()
}
