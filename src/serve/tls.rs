//! HTTPS: the certificates of the server.

use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Certificates and key of the server.
#[derive(Debug)]
pub struct Tls {
    certificates: PathBuf,
    key: PathBuf,
    config: Mutex<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads certificates and key. The error names the setting and the cause.
    pub fn load(certificates: PathBuf, key: PathBuf) -> Result<Self, String> {
        let config = Mutex::new(Arc::new(read(&certificates, &key)?));
        Ok(Self { certificates, key, config })
    }

    /// Reads the files again. After an error the server keeps the certificates that it has.
    pub fn reload(&self) -> Result<(), String> {
        *self.config.lock() = Arc::new(read(&self.certificates, &self.key)?);
        Ok(())
    }

    /// What new connections use.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&*self.config.lock()))
    }
}

fn read(certificates: &Path, key: &Path) -> Result<ServerConfig, String> {
    let of_cert = |why: String| format!("serve.cert {}: {why}", certificates.display());
    let of_key = |why: String| format!("serve.key {}: {why}", key.display());
    let chain = CertificateDer::pem_file_iter(certificates).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| of_cert(format!("{error}. Expected certificates in PEM format")))?;
    if chain.is_empty() {
        return Err(of_cert("the file has no certificate in PEM format".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| of_key(format!("{error}. Expected a private key in PEM format")))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| of_cert(format!("certificate and serve.key do not work together: {error}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_file_is_named_with_its_setting() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (empty, missing) = (file("empty.pem", ""), directory.path().join("missing.pem"));
        let broken = file("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        for (certificates, key, named) in
            [(&missing, &empty, "missing.pem"), (&empty, &empty, "no certificate"), (&broken, &empty, "serve.key")]
        {
            let error = Tls::load(certificates.clone(), key.clone()).unwrap_err();
            assert!(error.contains(named) && error.starts_with("serve."), "{error}");
        }
    }
}
