//! Secrets of clients, and the signatures made with them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;
use std::collections::HashMap;

/// Beginning of a secret.
const PREFIX: &str = "whsec_";
/// Lengths of a secret in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// The secrets that sign messages.
#[derive(Debug, Default)]
pub struct Secrets {
    /// Those of the server.
    server: Vec<SecretSlice<u8>>,
    /// Those of keys, by name.
    keys: HashMap<String, Vec<SecretSlice<u8>>>,
}

impl Secrets {
    /// Resolves settings of the form `env:VARIABLE`: `server` of all clients, `keys` of single ones.
    ///
    /// The error names the setting.
    pub fn resolve<'k>(
        server: &[String],
        keys: impl Iterator<Item = (&'k str, &'k [String])>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let all = |where_: &str, written: &[String]| -> Result<Vec<_>, String> {
            written.iter().map(|written| secret(written, &variable).map_err(|why| format!("{where_}: {why}"))).collect()
        };
        let keys = keys.map(|(name, written)| Ok((name.to_owned(), all(&format!("webhook_secrets of key {name}"), written)?)));
        Ok(Self { server: all("serve.webhook_secrets", server)?, keys: keys.collect::<Result<_, String>>()? })
    }

    /// The secrets for messages to a client: its own, or those of the server.
    fn of(&self, owner: &str) -> &[SecretSlice<u8>] {
        self.keys.get(owner).filter(|own| !own.is_empty()).unwrap_or(&self.server)
    }

    /// Whether messages to a client can be signed.
    pub fn can_sign_for(&self, owner: &str) -> bool {
        !self.of(owner).is_empty()
    }

    /// The header `webhook-signature`: one signature by each secret, so that secrets can be replaced.
    ///
    /// `at` is in seconds since 1970. `None` without a secret.
    pub fn signature(&self, owner: &str, id: &str, at: i64, body: &str) -> Option<String> {
        let signed = format!("{id}.{at}.{body}");
        let signatures = self.of(owner).iter().filter_map(|secret| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret()).ok()?;
            mac.update(signed.as_bytes());
            Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        });
        Some(signatures.collect::<Vec<_>>().join(" ")).filter(|signatures| !signatures.is_empty())
    }
}

fn secret(written: &str, variable: impl Fn(&str) -> Option<String>) -> Result<SecretSlice<u8>, String> {
    // The text is not shown: it may be a secret.
    let name = written.strip_prefix("env:").ok_or("settings cannot hold secrets. Write env:VARIABLE, and set that variable")?;
    let text = variable(name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
    let bytes = text.trim().strip_prefix(PREFIX).and_then(|encoded| STANDARD.decode(encoded).ok());
    let bytes = bytes.filter(|bytes| LENGTHS.contains(&bytes.len()));
    bytes.map(SecretSlice::from).ok_or_else(|| {
        format!("the environment variable {name} is not a webhook secret; expected {PREFIX} and 24 to 64 bytes in base64, such as of `openssl rand -base64 32`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(server: &[&str], of_key: &[&str]) -> Result<Secrets, String> {
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let key = owned(of_key);
        let variable = |name: &str| match name {
            "A" => Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
            "B" => Some("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned()),
            "SHORT" => Some("whsec_c2hvcnQ=".to_owned()),
            _ => None,
        };
        Secrets::resolve(&owned(server), [("ci", key.as_slice())].into_iter(), variable)
    }

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example of the Standard Webhooks specification.
        let secrets = resolved(&["env:A"], &[]).unwrap();
        let body = "{\"test\": 2432232314}";
        let signature = secrets.signature("", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn all_secrets_sign_during_a_replacement_and_a_key_has_its_own() {
        let secrets = resolved(&["env:A", "env:B"], &["env:B"]).unwrap();
        let [server, own] = ["", "ci"].map(|owner| secrets.signature(owner, "m", 1, "{}").unwrap());
        assert_eq!(server.split(' ').count(), 2);
        assert_eq!(server.split(' ').nth(1), Some(own.as_str()));
        assert!(!resolved(&[], &[]).unwrap().can_sign_for("ci"));
    }

    #[test]
    fn secrets_come_from_variables_and_are_long_enough() {
        for (written, why) in
            [("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "env:VARIABLE"), ("env:NONE", "not set"), ("env:SHORT", "24 to 64")]
        {
            let error = resolved(&[written], &[]).unwrap_err();
            assert!(error.contains(why) && !error.contains("MfKQ"), "{error}");
            assert!(resolved(&[], &[written]).unwrap_err().contains("key ci"));
        }
    }
}
