//! Predicts which calls for vectors share a request.

use super::Plan;
use super::survey::Survey;
use crate::ask::packing::PackLimits;
use crate::ask::usual_pack_limits;
use crate::insight::Load;
use std::collections::BTreeMap;

/// Gathers calls for vectors, which have no output, into packs.
pub(super) fn packed(mut loads: Vec<Vec<Load>>, plan: &Plan, survey: &Survey) -> Vec<Vec<Load>> {
    let limits = |task: usize| usual_pack_limits(&plan.account, &survey.tasks[task].model, &plan.llm.pack, None);
    let mut packs: BTreeMap<usize, (usize, Load)> = BTreeMap::new();
    for document in loads.iter_mut().rev() {
        let (vectors, mut others): (Vec<Load>, Vec<Load>) = std::mem::take(document).into_iter().partition(|load| load.max_output == 0.0);
        for load in vectors {
            let task = load.task;
            let (items, pack) = match packs.remove(&task) {
                Some((items, pack)) => (items + 1, Load { input: pack.input + load.input, ..pack }),
                None => (1, load),
            };
            let PackLimits { max_items, max_tokens, .. } = limits(task);
            if items >= max_items || pack.input >= max_tokens as f64 {
                others.push(pack);
            } else {
                packs.insert(task, (items, pack));
            }
        }
        *document = others;
    }
    if let Some(first) = loads.first_mut() {
        first.extend(packs.into_values().map(|(_, pack)| pack));
    }
    loads
}
