//! What requests use of this machine: local files named by environment variables, and the budget
//! service.

use super::budget_service::BudgetService;
use std::path::{Path, PathBuf, is_separator};
use std::sync::Arc;

/// Files and directories on this machine, and the budget service. All are unset by default.
#[derive(Debug, Clone, Default)]
pub struct LocalFiles {
    /// Directory of the limits shared between processes. If unset, limits stay in memory.
    pub limits: Option<PathBuf>,
    /// Certificates to trust in addition to the system's (`SSL_CERT_FILE`).
    pub certificates: Option<String>,
    /// The service that shares the limits between machines. It replaces `limits`.
    pub service: Option<Arc<BudgetService>>,
}

impl LocalFiles {
    /// Reads the paths from environment variables.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let directory = absolute("XDG_RUNTIME_DIR").unwrap_or_else(|| {
            let user = variable("USER").unwrap_or_default();
            std::env::temp_dir().join(format!("docmill-{}", user.replace(is_separator, "_")))
        });
        let certificates = variable("SSL_CERT_FILE").filter(|file| Path::new(file).is_file());
        Self { limits: Some(directory.join("docmill")), certificates, service: None }
    }
}
