//! Files of this machine that requests to an account use, as environment variables name them.

use std::path::{Path, PathBuf, is_separator};

/// Files and directories on this machine; by default none.
#[derive(Debug, Clone, Default)]
pub struct LocalFiles {
    /// Directory of the limits that processes share. Without it, limits stay in memory.
    pub limits: Option<PathBuf>,
    /// Certificates to trust besides those of the system (`SSL_CERT_FILE`).
    pub certificates: Option<String>,
}

impl LocalFiles {
    /// The files that these variables name.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let directory = absolute("XDG_RUNTIME_DIR").unwrap_or_else(|| {
            let user = variable("USER").unwrap_or_default();
            std::env::temp_dir().join(format!("docmill-{}", user.replace(is_separator, "_")))
        });
        let certificates = variable("SSL_CERT_FILE").filter(|file| Path::new(file).is_file());
        Self { limits: Some(directory.join("docmill")), certificates }
    }
}
