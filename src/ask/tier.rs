//! Tiers of service: the names that providers give them, and which of them a price depends on.

use serde_json::Value;

/// A tier of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// The usual one.
    Standard,
    /// Cheaper, and served when there is room.
    Flex,
    /// Dearer and faster.
    Priority,
    /// Cheaper, and served within a day.
    Batch,
}

impl Tier {
    /// The tier that a provider, or a setting, calls `name`; `None` if the name is not known.
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().replace('-', "_").as_str() {
            "" | "default" | "standard" | "standard_only" | "on_demand" | "scale" => Some(Self::Standard),
            "flex" => Some(Self::Flex),
            "priority" | "fast" | "performance" => Some(Self::Priority),
            "batch" => Some(Self::Batch),
            _ => None,
        }
    }

    /// The tier that `llm.service_tier = name` asks for. With `auto` the provider chooses.
    pub fn asked(name: &str) -> Self {
        Self::parse(name).unwrap_or(Self::Standard)
    }

    /// The tiers of which one is billed. A tier that the reply does not name may have been served as the usual one, and one
    /// with an unknown name as any.
    pub fn candidates(asked: Self, named: Option<&str>) -> Vec<Self> {
        match named.map(|name| (name, Self::parse(name))) {
            // Servers that know no tiers send back what they were asked for.
            None | Some(("auto" | "", _)) => vec![Self::Standard, asked],
            Some((_, Some(tier))) => vec![tier],
            Some((_, None)) => vec![Self::Standard, asked, Self::Priority],
        }
    }

    /// Checks a name against those that a provider knows.
    pub(super) fn check(names: &[&str], name: &str) -> Result<(), String> {
        if name.is_empty() || names.contains(&name) {
            return Ok(());
        }
        let near = names.iter().find(|known| strsim::jaro_winkler(known, name) > 0.85);
        let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        Err(format!("unknown service_tier \"{name}\"; expected {}{near}", names.join(", ")))
    }

    /// Whether `field` of a request decides about the tier, and so about the price.
    pub(super) fn is_field(field: &str) -> bool {
        field.to_ascii_lowercase().replace('_', "") == "servicetier"
    }

    /// The tier in the usage of a reply that has no other place for it.
    pub(super) fn in_usage(usage: &Value) -> Option<String> {
        let fast = usage["speed"].as_str().filter(|speed| *speed == "fast");
        let named = fast.or_else(|| usage["service_tier"].as_str()).or_else(|| usage["serviceTier"].as_str());
        // Vertex: ON_DEMAND, ON_DEMAND_FLEX, ON_DEMAND_PRIORITY.
        let traffic = || usage["trafficType"].as_str().map(|kind| kind.strip_prefix("ON_DEMAND_").unwrap_or(kind));
        named.or_else(traffic).map(ToOwned::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tier_that_the_reply_does_not_name_is_not_proved() {
        assert_eq!(Tier::candidates(Tier::Flex, None), [Tier::Standard, Tier::Flex]);
        assert_eq!(Tier::candidates(Tier::Flex, Some("auto")), [Tier::Standard, Tier::Flex]);
        assert_eq!(Tier::candidates(Tier::Flex, Some("flex")), [Tier::Flex]);
        assert_eq!(Tier::candidates(Tier::Priority, Some("default")), [Tier::Standard]);
        assert_eq!(Tier::candidates(Tier::Standard, Some("ultrafast")).last(), Some(&Tier::Priority));
        assert_eq!(Tier::candidates(Tier::Standard, None), [Tier::Standard; 2]);
    }

    #[test]
    fn an_unknown_tier_is_refused_with_the_names_that_are_known() {
        let names = ["auto", "default", "flex"];
        assert_eq!((Tier::check(&names, "flex"), Tier::check(&names, "")), (Ok(()), Ok(())));
        assert_eq!(
            Tier::check(&names, "flx").unwrap_err(),
            "unknown service_tier \"flx\"; expected auto, default, flex; did you mean flex?"
        );
        assert_eq!(Tier::check(&names, "cheap").unwrap_err(), "unknown service_tier \"cheap\"; expected auto, default, flex");
    }

    #[test]
    fn tiers_are_found_wherever_a_usage_names_them() {
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
