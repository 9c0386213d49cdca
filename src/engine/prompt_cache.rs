//! Sends one of several calls first, so that the others hit the provider's prompt cache.
//!
//! Six tasks on one image, for example, begin with the same image. The first call writes it to the
//! cache, and the others can read it once the answer begins. If all were sent at once, each would
//! pay for writing.

use super::stored_answers::Before;
use crate::ask::pricing::Prices;
use crate::insight::Order;
use crate::model::Call;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The role of a call in sharing the prompt cache.
#[derive(Debug, Clone)]
pub(super) enum Role {
    /// The call does not share its beginning, or the beginning is too short to be cached.
    Alone,
    /// The call goes first and cancels the token when its answer begins.
    Leads(CancellationToken),
    /// The call waits until the token is cancelled.
    Follows(CancellationToken),
}

impl Role {
    /// The role without its token.
    pub fn order(&self) -> Order {
        match self {
            Self::Alone => Order::Alone,
            Self::Leads(_) => Order::Leads,
            Self::Follows(_) => Order::Follows,
        }
    }
}

/// The roles of the calls on one document, in the order of `calls`.
pub(super) fn roles(calls: &[Call], before: &[Before], prices: &Prices) -> Vec<Role> {
    let open: Vec<usize> = (0..calls.len()).filter(|at| matches!(before[*at], Before::Open { .. })).collect();
    let mut roles = vec![Role::Alone; calls.len()];
    for (place, &first) in open.iter().enumerate() {
        let worth_it = prices.cache_from(&calls[first].model).is_some_and(|least| calls[first].shared_tokens() >= least);
        if !worth_it || !matches!(roles[first], Role::Alone) {
            continue;
        }
        let others: Vec<usize> = open[place + 1..].iter().copied().filter(|other| begin_alike(&calls[first], &calls[*other])).collect();
        if !others.is_empty() {
            let begun = CancellationToken::new();
            roles[first] = Role::Leads(begun.clone());
            for other in others {
                roles[other] = Role::Follows(begun.clone());
            }
        }
    }
    roles
}

/// Whether two calls on one document share a cached beginning, which includes the answer schema.
fn begin_alike(one: &Call, other: &Call) -> bool {
    let ((own, _), (schema, _)) = (one.want.answer(), other.want.answer());
    let same_schema = Arc::ptr_eq(own, schema) || own == schema;
    let shared = one.shared > 0 && one.shared == other.shared && one.place == other.place;
    shared && one.model == other.model && one.system == other.system && one.effort == other.effort && same_schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MessagePart, Want};
    use serde_json::json;

    fn call(task: &str, field: &str, tokens: u64) -> Call {
        Call {
            task: task.into(),
            axes: Vec::new(),
            model: "claude-haiku-5-5".into(),
            system: "s".into(),
            parts: vec![MessagePart::Text("document".into()), MessagePart::Text(task.into())],
            marks: Arc::default(),
            want: Want::Answer { schema: Arc::new(json!({"properties": {field: {}}}).into()), max_output_tokens: 1 },
            effort: None,
            tokens,
            place: None,
            shared: 1,
        }
    }

    fn shown(calls: &[Call], answered: &[usize]) -> String {
        let failure = crate::model::Failure::new(crate::model::FailureCode::InDoubt, "");
        let before: Vec<Before> = (0..calls.len())
            .map(|at| {
                if answered.contains(&at) {
                    Before::InDoubt(failure.clone())
                } else {
                    Before::Open { earlier: None, replaces: false, again: false }
                }
            })
            .collect();
        let role = |role: Role| match role {
            Role::Alone => '-',
            Role::Leads(_) => '1',
            Role::Follows(_) => '>',
        };
        roles(calls, &before, &Prices::embedded()).into_iter().map(role).collect()
    }

    #[test]
    fn the_first_call_of_a_shared_beginning_leads_if_it_is_long_enough() {
        let long = |task: &str, field: &str| call(task, field, 2000);
        let calls = [long("a", "x"), long("b", "y"), long("c", "x"), long("d", "x")];
        assert_eq!(shown(&calls, &[]), "1->>");
        assert_eq!(shown(&calls, &[0]), "--1>");
        assert_eq!(shown(&calls, &[0, 2]), "----");
        assert_eq!(shown(&[call("a", "x", 300), call("b", "x", 300)], &[]), "--");
        let other_model = Call { model: "simulated-small".into(), ..long("a", "x") };
        assert_eq!(shown(&[other_model.clone(), other_model], &[]), "--");
    }
}
