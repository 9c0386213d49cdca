//! Names of the objects of a shared run.

/// The manifest, which names its parts.
pub(super) const MANIFEST: &str = "manifest.json";
/// The plan of the shards.
pub(super) const PLAN: &str = "plan.json";

/// A part of the manifest.
pub(super) fn manifest_part(number: u64) -> String {
    format!("manifest/{number:06}.jsonl")
}

/// The directory of a shard.
pub(super) fn shard(number: u32) -> String {
    format!("shards/{number:06}")
}

/// The claim of an attempt.
pub(super) fn claim(number: u32, attempt: u32) -> String {
    format!("{}/claim-{attempt:04}", shard(number))
}

/// A segment of an attempt.
pub(super) fn segment(number: u32, attempt: u32, sequence: u32) -> String {
    format!("{}/seg-{attempt:04}-{sequence:06}", shard(number))
}

/// The rows of a job that an attempt has made.
pub(super) fn part(number: u32, attempt: u32, job: &str) -> String {
    format!("{}/part-{attempt:04}.{job}", shard(number))
}

/// The state of the newest attempt.
pub(super) fn heartbeat(number: u32) -> String {
    format!("{}/heartbeat", shard(number))
}

/// The commit of a shard.
pub(super) fn commit(number: u32) -> String {
    format!("{}/commit", shard(number))
}

/// The attempt that a claim names.
pub(super) fn attempt_of_claim(name: &str) -> Option<u32> {
    name.strip_prefix("claim-")?.parse().ok()
}

/// Whether a name is that of a segment.
pub(super) fn is_segment(name: &str) -> bool {
    name.starts_with("seg-")
}
