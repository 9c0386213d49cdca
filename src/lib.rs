//! x
#![allow(missing_docs)]
pub mod ask;
pub mod config;
pub mod job;
pub mod model;
<<<<<<< HEAD
pub mod simulator;
=======
pub mod prepare;
>>>>>>> wip-prepare
