//! Checks of provider, key, clock and prices.

use super::Finding;
use crate::ask::{Account, Provider, Reached, reach};
use crate::config::Config;
use crate::model::did_you_mean;
use crate::setup::{Environment, Settings, account, price_doubts};
use futures::future::join_all;
use std::time::{Duration, SystemTime};

/// Difference of clocks above which docmill warns. Waits until a time of day depend on it.
const APART: Duration = Duration::from_mins(1);

/// Beginnings of keys by provider. `sk-ant-` is a special case of `sk-`.
const KEYS: [(&str, &str); 3] = [("sk-ant-", "anthropic"), ("sk-", "openai"), ("AIza", "gemini")];

/// Key, reachability, clock, model and prices. Sends at most one request to each server, which costs
/// nothing.
pub(super) async fn checks(config: &Config, settings: &Settings, environment: &Environment) -> Vec<Finding> {
    let account = match account(config, settings, environment).await {
        Ok(account) => account,
        Err(error) => return vec![Finding::problem("key", error.to_string(), "")],
    };
    if account.provider == Provider::Simulated {
        return vec![Finding::ok("provider", "simulated: needs no key and no network")];
    }
    let mut findings = vec![key(&account)];
    findings.extend(proxy(&account, environment));
    let servers = account.servers();
    let reached = join_all((0..servers.len()).map(|server| reach(&account, &settings.llm, server))).await;
    for (address, reached) in servers.addresses().into_iter().zip(reached) {
        let host = if servers.are_several() { address } else { account.host() };
        match reached {
            Ok(reached) => findings.extend(reply(&account, host, &reached)),
            Err(why) => {
                let advice = "Check address, network and proxy (llm.base_url, HTTPS_PROXY)";
                findings.push(Finding::problem("provider", format!("cannot reach {host}: {why}"), advice));
            }
        }
    }
    findings.push(match price_doubts(&account, environment) {
        None => Finding::ok("prices", format!("the price of {} is known, as of {}", account.model, account.prices.date())),
        Some(_) if !account.has_limits() => Finding::ok("prices", "not needed for a server on this machine"),
        Some(doubt) => Finding::warning("prices", doubt, "docmill prices lists known prices"),
    });
    findings
}

/// Whether there is a key, and whether it looks like one of another provider. Never shows it.
fn key(account: &Account) -> Finding {
    let is_of = |provider: &str| account.provider.as_str().starts_with(provider);
    let looks_like = KEYS.iter().find(|(beginning, _)| account.key_begins(beginning)).map(|(_, provider)| *provider);
    let has_known_form = KEYS.iter().any(|(_, provider)| is_of(provider)) && !is_of("openai-compatible");
    match looks_like {
        _ if !account.has_key() => Finding::ok("key", "none is sent"),
        Some(other) if has_known_form && !is_of(other) => {
            let message = format!("the key for {} looks like one of {other}", account.provider.as_str());
            Finding::warning("key", message, account.key_hint())
        }
        _ => Finding::ok("key", "there is one"),
    }
}

fn proxy(account: &Account, environment: &Environment) -> Option<Finding> {
    let names = if account.base_url.starts_with("https") { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] };
    let name = names.into_iter().chain(["ALL_PROXY", "all_proxy"]).find(|name| environment.key(name).is_some())?;
    Some(Finding::ok("proxy", format!("from {name}, except for hosts in NO_PROXY")))
}

/// What the response of the provider says.
fn reply(account: &Account, host: &str, reached: &Reached) -> Vec<Finding> {
    let Reached { status, date, models, seconds } = reached;
    let mut findings = vec![match status {
        200..=299 => Finding::ok("provider", format!("{host} answered in {:.0} ms", seconds * 1000.0)),
        401 | 403 => Finding::problem("provider", format!("{host} refuses the key (status {status})"), account.key_hint()),
        // Some servers have no list of models.
        404 | 405 => Finding::ok("provider", format!("{host} answers, and has no list of models (status {status})")),
        429 => Finding::warning("provider", format!("{host} refuses because of its rate limit (status 429)"), "Wait, or lower llm.limits"),
        300..=399 => Finding::problem("provider", format!("{host} redirects to another address (status {status})"), "Correct llm.base_url"),
        _ => Finding::warning("provider", format!("{host} answers with status {status}"), "Try again later, or check llm.base_url"),
    }];
    if !models.is_empty() {
        let is_there = models.contains(&account.model);
        findings.push(if is_there {
            let of = if account.servers().are_several() { format!(" at {host}") } else { String::new() };
            Finding::ok("model", format!("{} is available{of}", account.model))
        } else {
            let near = did_you_mean(&account.model, models.iter().map(String::as_str));
            Finding::warning(
                "model",
                format!("the list of models of {host} lacks {}{near}", account.model),
                "Check llm.model. Some lists are incomplete",
            )
        });
    }
    if let Some(date) = date {
        let now = SystemTime::now();
        let apart = now.duration_since(*date).unwrap_or_else(|ahead| ahead.duration());
        findings.push(if apart > APART {
            let message = format!("{} s from the clock of {host}", apart.as_secs());
            Finding::warning("clock", message, "Set the clock of this machine (NTP). Waits and dates depend on it")
        } else {
            Finding::ok("clock", format!("agrees with {host}"))
        });
    }
    findings
}
