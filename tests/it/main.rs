//! Integration tests of docmill's binary.
//!
//! Each test runs the program like a user, in a separate directory. Most tests use
//! [`support::ModelServer`], a model provider for tests that shares no code with the program. Its
//! ledger is the oracle for sent and billed requests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::too_many_lines,
    reason = "in a test, a panic with the value in it is the report"
)]

mod support;

mod alerts;
mod attacks;
mod batches;
mod budget;
mod circles;
mod clients;
mod compare;
mod containers;
mod counts;
mod damage;
mod defaults;
#[cfg(unix)]
mod delivering;
mod doctor;
mod documents;
mod draining;
mod embedded;
mod embedding;
mod embedding_care;
mod embedding_packs;
mod existing;
mod exits;
mod exports;
mod file_schemas;
mod formats;
mod gateway;
mod groups;
mod hostile;
mod hostile_files;
mod hostile_tables;
mod inputs;
mod jobs;
mod kept_rows;
mod kills;
mod layers;
mod limits;
mod live;
mod manual;
mod migration;
mod money;
mod order;
mod packing;
mod partial_runs;
mod piping;
mod plan;
mod poison;
#[cfg(unix)]
mod postgres;
#[cfg(unix)]
mod postgres_faults;
mod providers;
mod read_only;
mod refusals;
mod remote;
mod replies;
mod report;
mod resume;
mod sample_run;
mod sandbox;
mod schemas;
mod secrets;
mod serve;
mod serve_kills;
mod serve_network;
mod serve_orders;
mod servers;
mod shards;
mod shells;
mod snapshots;
mod speed;
mod starting;
mod stopping;
mod store_commands;
mod submissions;
mod tables;
mod traces;
mod trust;
mod usage;
mod vector_stores;
mod views;
mod watch_results;
mod watched;
mod watched_files;
mod watching;
mod webhooks;
