//! The limits of an account without anybody to wait for them: what predictions ask.

use super::super::dialect::Dialect;
use super::super::settings::LimitSettings;
use super::given::Given;
use super::limits::{Limits, Taken};
use super::need::Need;
use super::shared::Home;
use crate::insight::{Admission, Load, Rate};
use crate::model::Usage;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The limits as settings give them, and as they are kept during a run. Times are seconds from 0.
#[derive(Debug, Clone)]
pub struct Quota {
    limits: Limits,
    dialect: Dialect,
}

/// What was taken for a request.
#[derive(Debug)]
pub struct Reserved(Taken);

impl Quota {
    /// As a run would begin.
    pub fn new(settings: &LimitSettings, slow_start: bool, dialect: Dialect) -> Self {
        Self { limits: Limits::new(&Given::new(settings, slow_start), 0.0), dialect }
    }

    /// With what earlier runs on this machine have learned of the account, in the file `name` in `directory`.
    #[must_use]
    pub fn with_known(mut self, directory: &Path, name: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        if let Some(known) = Home::known(directory, name, now) {
            self.limits.add_known(&known);
        }
        self
    }

    /// The limits that are known.
    pub fn rates(&self) -> Vec<Rate> {
        self.limits.rates()
    }
}

impl Admission for Quota {
    type Taken = Reserved;

    fn try_take(&mut self, call: &Load, now: f64) -> Result<Reserved, f64> {
        let need = Need { input: call.input, output: call.output, max_output: call.max_output, dialect: self.dialect };
        self.limits.try_take(&need, now).map(Reserved)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "amounts of tokens")]
    fn ended(&mut self, call: &Load, Reserved(taken): Reserved, in_flight: usize, now: f64) {
        let usage = Usage { fresh: call.input as u64, output: call.output as u64, ..Usage::default() };
        let full = in_flight as f64 >= self.limits.window();
        self.limits.settle(&taken, Some(usage), full, now);
    }

    fn window(&self) -> f64 {
        self.limits.window()
    }
}
