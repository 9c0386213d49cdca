//! Image limits and token counts for the models of an account.

use super::account::Account;
use crate::model::{Call, MessagePart};
use crate::prepare::{ImageLimits, Viewer};
use std::sync::Arc;

impl Account {
    fn viewer<'a>(&'a self, model: &'a str) -> Viewer<'a> {
        Viewer { format: self.dialect.image_rules, model, resolution: self.media_resolution.as_deref() }
    }

    /// The image limits of a model.
    pub fn images(&self, model: &str) -> ImageLimits {
        ImageLimits::of(self.viewer(model))
    }

    /// The name of the rule for counting a model's image tokens.
    pub fn image_rule(&self, model: &str) -> &'static str {
        self.viewer(model).rule_name()
    }

    /// Counts the images of a call by the rule of its own model.
    ///
    /// Preparation counted them by the rule of the account's model.
    pub fn count_images(&self, call: &mut Call) {
        if call.model != self.model {
            self.recount(call);
        }
    }

    /// Copies a call for another model, and counts its images anew.
    pub(super) fn asked_of(&self, model: &str, call: &Call) -> Call {
        let mut call = Call { model: model.to_owned(), ..call.clone() };
        self.recount(&mut call);
        call
    }

    fn recount(&self, call: &mut Call) {
        let (limits, before) = (self.images(&call.model), call.image_tokens());
        for part in &mut call.parts {
            if let MessagePart::Picture(picture) = part {
                let (width, height) = (picture.width, picture.height);
                let own = Arc::make_mut(picture);
                (own.tokens, own.most_tokens) = (limits.tokens(width, height), limits.most_tokens(width, height));
            }
        }
        call.tokens = call.tokens.saturating_sub(before) + call.image_tokens();
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::LlmSettings;
    use super::*;
    use crate::ask::pricing::Prices;
    use crate::model::{Picture, Want};
    use serde_json::json;

    /// The embedded settings with this provider, model and body.
    fn settings(provider: &str, model: &str, body: &str) -> LlmSettings {
        let mut all: toml::Table = toml::from_str(include_str!("../../pipeline.toml")).unwrap();
        let llm = all["llm"].as_table_mut().unwrap();
        for (key, value) in [("provider", provider), ("model", model), ("base_url", "http://127.0.0.1:9"), ("api_key_env", "KEY")] {
            llm.insert(key.into(), value.into());
        }
        llm.insert("body".into(), toml::from_str::<toml::Table>(body).unwrap().into());
        all.remove("llm").unwrap().try_into().unwrap()
    }

    fn account(provider: &str, model: &str, body: &str) -> Account {
        let settings = settings(provider, model, body);
        Account::resolve(&settings, Prices::embedded(), Some("http://127.0.0.1:9"), None, |_| Some("key".into())).unwrap()
    }

    fn call(account: &Account, model: &str, (width, height): (u32, u32)) -> Call {
        let limits = account.images(&account.model);
        let picture = Picture {
            media_type: "image/jpeg",
            base64: "".into(),
            digest: String::new(),
            width,
            height,
            tokens: limits.tokens(width, height),
            most_tokens: limits.most_tokens(width, height),
        };
        Call {
            task: "t".into(),
            axes: Vec::new(),
            model: model.into(),
            system: "".into(),
            tokens: 100 + picture.tokens,
            parts: vec![MessagePart::Picture(Arc::new(picture)), MessagePart::Text("look".into())],
            marks: Arc::default(),
            want: Want::Answer { schema: Arc::new(json!({}).into()), max_output_tokens: 100 },
            effort: None,
            place: None,
            shared: 1,
        }
    }

    #[test]
    fn a_task_or_fallback_with_another_model_counts_images_by_the_rule_of_that_model() {
        let account = account("openai", "gpt-6-luna", "");
        let mut own = call(&account, "gpt-6-luna", (1024, 1024));
        account.count_images(&mut own);
        assert_eq!((own.tokens, own.image_tokens()), (1124, 1024));
        let mut task = call(&account, "gpt-4o-mini", (1024, 1024));
        account.count_images(&mut task);
        assert_eq!((task.tokens, task.image_tokens()), (25_601, 25_501));
        assert!(task.most_input_tokens() >= 3 * 25_501);
        let back = account.asked_of("gpt-6-luna", &task);
        assert_eq!((back.tokens, back.image_tokens()), (1124, 1024));
        assert_eq!(back.key("e"), own.key("e"), "estimates are not part of the call key");
    }

    #[test]
    fn the_media_resolution_in_the_settings_changes_the_image_tokens() {
        let tokens = |body| account("gemini", "gemini-3.8-flash", body).images("gemini-3.8-flash").tokens(1000, 1000);
        assert_eq!(tokens(""), 1120);
        assert_eq!(tokens("generationConfig = { mediaResolution = \"MEDIA_RESOLUTION_LOW\" }"), 280);
    }

    #[test]
    fn every_model_with_a_price_has_a_known_image_rule() {
        for line in Prices::embedded().lines(&[]).into_iter().filter(|line| !line[0].contains("embedding")) {
            let provider = ["claude", "gemini", "simulated"].iter().position(|family| line[0].starts_with(family));
            let provider = provider.map_or("openai", |at| ["anthropic", "gemini", "simulated"][at]);
            let account = account(provider, &line[0], "");
            assert_ne!(account.image_rule(&line[0]), "unknown model", "{}", line[0]);
        }
    }

    #[test]
    fn the_reserved_input_covers_the_image_tokens_that_each_model_bills() {
        let models = [
            ("openai", "gpt-4o-mini"),
            ("openai", "gpt-4o"),
            ("openai", "gpt-5.4-nano"),
            ("openai", "my-deployment"),
            ("anthropic", "claude-haiku-5-5"),
            ("gemini", "gemini-2.5-flash"),
            ("openai-compatible", "x-ai/grok-4"),
        ];
        for (provider, model) in models {
            let account = account(provider, model, "");
            for size in [(10, 10), (512, 512), (1024, 1024), (4000, 3000), (300, 9000)] {
                let sent = account.images(model).fit(size.0, size.1);
                let call = call(&account, model, sent);
                let billed = account.images(if model == "my-deployment" { "gpt-4o-mini" } else { model }).tokens(sent.0, sent.1);
                assert!(call.most_input_tokens() >= billed, "{model}: {} reserved for {billed}", call.most_input_tokens());
            }
        }
    }
}
