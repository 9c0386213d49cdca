//! The limits of an account for forecasts, without real waiting.

use super::super::dialect::Dialect;
use super::super::settings::LimitSettings;
use super::bucket::Bucket;
use super::configured::ConfiguredLimits;
use super::learner::SLACK_S;
use super::limit::{Limit, Source, hold};
use super::limits::{Limits, Taken};
use super::need::{LIMIT_KINDS, Need};
use super::shared_file::known_limits;
use crate::insight::{Admission, Load, Rate};
use crate::model::{AccountLimit, Usage, WaitReason};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The limits of an account in a simulated run. Times are seconds from 0.
#[derive(Debug, Clone)]
pub struct Quota {
    limits: Limits,
    given: ConfiguredLimits,
    dialect: Dialect,
}

/// The amounts reserved for a request.
#[derive(Debug)]
pub struct Reserved(Taken);

impl Quota {
    /// Creates the limits at the start of a run.
    pub fn new(settings: &LimitSettings, slow_start: bool, dialect: Dialect) -> Self {
        let given = ConfiguredLimits::new(settings, slow_start);
        Self { limits: Limits::new(&given, 0.0), given, dialect }
    }

    /// Adds limits that earlier runs on this machine have stored.
    ///
    /// They are in the file `name` in `directory`.
    #[must_use]
    pub fn with_known(mut self, directory: &Path, name: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        if let Some(known) = known_limits(directory, name, now) {
            self.limits.add_known(&known);
        }
        self
    }

    /// Adds limits known to the caller, unless a lower one is known.
    #[must_use]
    pub fn with_told(mut self, declared: &[AccountLimit], settings: &LimitSettings) -> Self {
        for limit in declared.iter().filter(|limit| limit.per_minute > 0.0 && limit.per_minute.is_finite()) {
            let Some(meter) = LIMIT_KINDS.into_iter().find(|meter| hold(*meter) == limit.meter) else { continue };
            let per_second = limit.per_minute / 60.0;
            // The governor never uses a larger burst than this.
            let capacity = limit.at_once.min(settings.burst_s * per_second).max(1.0 + SLACK_S * per_second);
            let known = &mut self.limits.by_meter[meter as usize];
            if known.is_none_or(|known| per_second < known.bucket.per_second()) {
                *known =
                    Some(Limit { source: Source::Declared { holds: capacity }, bucket: Bucket::new(per_second, capacity, capacity, 0.0) });
            }
        }
        self
    }

    /// The amount that a call finally uses of the limit `meter`.
    pub fn counted(&self, meter: WaitReason, call: &Load) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "amounts of tokens")]
        let [uncached_input, cache_read, output] = [call.input - call.cached, call.cached, call.output].map(|amount| amount.round() as u64);
        let amounts = self.need(call).settled(Usage { uncached_input, cache_read, output, ..Usage::default() });
        LIMIT_KINDS.into_iter().find(|own| hold(*own) == meter).map_or(0.0, |own| amounts.of(own))
    }

    fn need(&self, call: &Load) -> Need {
        Need { input: call.input, images: 0.0, output: call.output, max_output: call.max_output, dialect: self.dialect }
    }

    /// The known limits.
    pub fn rates(&self) -> Vec<Rate> {
        self.limits.rates(&self.given)
    }
}

impl Admission for Quota {
    type Taken = Reserved;

    fn try_take(&mut self, call: &Load, now: f64) -> Result<Reserved, f64> {
        self.limits.try_take(&self.need(call), now, now).map(Reserved)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "amounts of tokens")]
    fn ended(&mut self, call: &Load, Reserved(taken): Reserved, in_flight: usize, now: f64) {
        let (cached, output) = (call.cached as u64, call.output as u64);
        let usage = Usage { uncached_input: (call.input as u64).saturating_sub(cached), cache_read: cached, output, ..Usage::default() };
        let full = in_flight as f64 >= self.limits.window();
        self.limits.settle(&taken, Some(usage), full, now);
    }

    fn admits(&mut self, in_flight: usize, now: f64) -> Result<(), Option<f64>> {
        self.limits.admits(in_flight as f64, now)
    }
}
