//! Service tiers: their names at providers, and their effect on prices.

use serde_json::Value;

/// A service tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// The default tier.
    Standard,
    /// Cheaper, but served only when the provider has capacity.
    Flex,
    /// Faster and more expensive.
    Priority,
    /// Cheaper, and served within a day.
    Batch,
}

impl Tier {
    /// Parses a tier name of a reply or setting; `None` if unknown.
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().replace('-', "_").as_str() {
            "" | "default" | "standard" | "standard_only" | "on_demand" | "scale" => Some(Self::Standard),
            "flex" => Some(Self::Flex),
            "priority" | "fast" | "performance" => Some(Self::Priority),
            "batch" => Some(Self::Batch),
            _ => None,
        }
    }

    /// The tier that `llm.service_tier = name` requests.
    ///
    /// Unknown names and `auto` count as standard.
    pub fn asked(name: &str) -> Self {
        Self::parse(name).unwrap_or(Self::Standard)
    }

    /// The tiers that may be billed if the reply names `named`.
    ///
    /// Without a name, the bill uses the standard or the requested tier. With an unknown name, it
    /// uses the standard, requested or priority tier.
    pub fn candidates(asked: Self, named: Option<&str>) -> Vec<Self> {
        match named.map(|name| (name, Self::parse(name))) {
            // Servers without tiers repeat the requested `auto`.
            None | Some(("auto" | "", _)) => vec![Self::Standard, asked],
            Some((_, Some(tier))) => vec![tier],
            Some((_, None)) => vec![Self::Standard, asked, Self::Priority],
        }
    }

    /// Checks that the provider has a tier called `name`.
    pub(super) fn check(names: &[&str], name: &str) -> Result<(), String> {
        if name.is_empty() || names.contains(&name) {
            return Ok(());
        }
        let near = names.iter().find(|known| strsim::jaro_winkler(known, name) > 0.85);
        let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        Err(format!("unknown service_tier \"{name}\"; expected {}{near}", names.join(", ")))
    }

    /// Whether the request field `field` sets the tier, and so the price.
    pub(super) fn is_field(field: &str) -> bool {
        field.to_ascii_lowercase().replace('_', "") == "servicetier"
    }

    /// Finds the tier name in the usage of a reply.
    pub(super) fn in_usage(usage: &Value) -> Option<String> {
        let fast = usage["speed"].as_str().filter(|speed| *speed == "fast");
        let named = fast.or_else(|| usage["service_tier"].as_str()).or_else(|| usage["serviceTier"].as_str());
        // Vertex reports ON_DEMAND, ON_DEMAND_FLEX and ON_DEMAND_PRIORITY.
        let traffic = || usage["trafficType"].as_str().map(|kind| kind.strip_prefix("ON_DEMAND_").unwrap_or(kind));
        named.or_else(traffic).map(ToOwned::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reply_without_a_tier_may_be_billed_as_standard_or_as_requested() {
        assert_eq!(Tier::candidates(Tier::Flex, None), [Tier::Standard, Tier::Flex]);
        assert_eq!(Tier::candidates(Tier::Flex, Some("auto")), [Tier::Standard, Tier::Flex]);
        assert_eq!(Tier::candidates(Tier::Flex, Some("flex")), [Tier::Flex]);
        assert_eq!(Tier::candidates(Tier::Priority, Some("default")), [Tier::Standard]);
        assert_eq!(Tier::candidates(Tier::Standard, Some("ultrafast")).last(), Some(&Tier::Priority));
        assert_eq!(Tier::candidates(Tier::Standard, None), [Tier::Standard; 2]);
    }

    #[test]
    fn an_unknown_tier_is_refused_with_the_known_names() {
        let names = ["auto", "default", "flex"];
        assert_eq!((Tier::check(&names, "flex"), Tier::check(&names, "")), (Ok(()), Ok(())));
        assert_eq!(
            Tier::check(&names, "flx").unwrap_err(),
            "unknown service_tier \"flx\"; expected auto, default, flex; did you mean flex?"
        );
        assert_eq!(Tier::check(&names, "cheap").unwrap_err(), "unknown service_tier \"cheap\"; expected auto, default, flex");
    }

    #[test]
    fn tiers_are_found_in_each_form_of_usage() {
        for (usage, tier) in [
            (json!({"service_tier": "priority", "speed": "standard"}), Some(Tier::Priority)),
            (json!({"service_tier": "standard", "speed": "fast"}), Some(Tier::Priority)),
            (json!({"serviceTier": "FLEX"}), Some(Tier::Flex)),
            (json!({"trafficType": "ON_DEMAND_FLEX"}), Some(Tier::Flex)),
            (json!({"trafficType": "ON_DEMAND"}), Some(Tier::Standard)),
            (json!({}), None),
        ] {
            assert_eq!(Tier::in_usage(&usage).and_then(|name| Tier::parse(&name)), tier, "{usage}");
        }
    }
}
