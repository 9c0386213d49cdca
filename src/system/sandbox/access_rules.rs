//! Rules of the kernel for files and networks (Landlock). Nothing is allowed.

use landlock::{ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetError, RulesetStatus, Scope};

/// The newest version of Landlock whose rules docmill uses. Older kernels apply those they know.
const NEWEST: ABI = ABI::V6;

/// Enters the rules. The error says why the kernel has none.
pub(super) fn enter() -> Result<(), String> {
    let restricted = || -> Result<RulesetStatus, RulesetError> {
        let rules = Ruleset::default().handle_access(AccessFs::from_all(NEWEST))?.handle_access(AccessNet::from_all(NEWEST))?;
        Ok(rules.scope(Scope::from_all(NEWEST))?.create()?.restrict_self()?.ruleset)
    };
    match restricted() {
        Ok(RulesetStatus::NotEnforced) => Err("this kernel has no Landlock".into()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
