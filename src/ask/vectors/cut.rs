//! Servers that cut long texts silently: their count of tokens shows it.
//!
//! Servers count differently, so a low count is only a doubt, and a high one proves nothing. So the
//! longest text of a doubtful or large pack is sent again with more words behind it. A server that
//! counts no more tokens for them has not read them.

use super::group::{Group, GroupState};
use super::record::Record;
use super::request::request;
use super::shared::Shared;
use super::{Payload, VectorLedger};
use crate::ask::packing::Encoding;
use crate::ask::relay::{RelayRequest, Sum, Unanswered, is_about_items};
use crate::ask::relay_endpoint::RelayEndpoint;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Limits at which servers cut texts, and how many tokens of their own they may leave out of a count.
const USUAL: [u64; 10] = [32, 64, 128, 256, 384, 512, 1024, 2048, 4096, 8192];
const OWN: u64 = 2;
/// Texts of a pack that is large enough to be worth two requests.
const MANY: usize = 16;
/// Estimated tokens up to which no text is doubted.
const SHORT: u64 = 50;
/// The words behind a text, repeated so often, have at least so many tokens.
const MORE: &str = " and one more word";
const TIMES: usize = 16;
const MORE_TOKENS: u64 = 32;

/// Whether a pack needs a proof: it is large, or its count is lower than the estimate, or a usual limit
/// for each text. Texts of about `whole` estimated tokens were read to their end.
fn is_doubtful(estimates: &[u64], counted: u64, whole: u64) -> bool {
    let (texts, estimated) = (estimates.len().max(1) as u64, estimates.iter().sum::<u64>());
    let (each, rest) = (counted / texts, counted % texts);
    let is_usual = rest == 0 && USUAL.iter().any(|usual| (each..=each + OWN).contains(usual));
    let longest = estimates.iter().copied().max().unwrap_or(0);
    let is_low = counted * 10 < estimated * 9;
    counted > 0 && longest > SHORT.max(whole * 11 / 10) && (is_low || is_usual || estimates.len() >= MANY)
}

/// What is wrong if the server may have cut some of these texts. It has counted `counted` tokens for
/// all of them.
pub(super) async fn cut<L: VectorLedger>(
    shared: &Shared<L>,
    (group, state): (&Group, &GroupState),
    items: &[Arc<Payload<L::Item>>],
    counted: u64,
) -> Option<String> {
    let estimates: Vec<u64> = items.iter().map(|item| item.tokens).collect();
    let longest = items.iter().max_by_key(|item| item.tokens)?;
    if counted == 0 && longest.tokens > SHORT && !shared.is_uncounted.swap(true, Relaxed) {
        shared.observer.note(&format!(
            "{} counts no tokens (usage.prompt_tokens), so docmill cannot check whether it cuts long texts. Its limit must be at \
                least chunk_tokens in [task.embed] of the job",
            shared.relay.account().base_url
        ));
    }
    if state.cut_at().is_none() {
        // One after the other, so that each knows what the one before has shown.
        let mut whole = state.whole.lock().await;
        if is_doubtful(&estimates, counted, *whole) && state.cut_at().is_none() {
            let alone = if items.len() == 1 { Ok(counted) } else { count(shared, group, longest, "").await };
            let more = count(shared, group, longest, &MORE.repeat(TIMES)).await;
            match (alone, more) {
                (Ok(alone), Ok(more)) if more < alone + MORE_TOKENS => state.cuts_at(more),
                (Ok(_), Ok(_)) => *whole = longest.tokens,
                // A server that refuses a longer text does not cut it.
                (Ok(_), Err(Unanswered::Failed { status, body, .. })) if is_about_items(RelayEndpoint::Embeddings, status, &body) => {
                    *whole = longest.tokens;
                }
                // Without an answer the doubt remains, for the next texts.
                _ => {}
            }
        }
    }
    let cut_at = state.cut_at()?;
    let (read, what) = match items {
        [_] => (counted, "of this text"),
        _ => (cut_at, "of a text"),
    };
    // The count of a single text tells whether it was cut. A pack must be sent again.
    (items.len() > 1 || counted >= cut_at).then(|| {
        format!(
            "the server reads only {read} tokens {what}, and cuts the rest silently. Lower chunk_tokens in [task.embed] of the job, or \
                raise the server's limit. If the server only counts wrongly, set llm.check_prompt_cut = false"
        )
    })
}

/// The tokens that the server counts for a text with `more` behind it. The request belongs to the call
/// of the text.
async fn count<L: VectorLedger>(shared: &Shared<L>, group: &Group, item: &Arc<Payload<L::Item>>, more: &str) -> Result<u64, Unanswered> {
    let items = [Arc::clone(item)];
    let record = Record { shared, items: &items };
    let answered = std::mem::take(&mut item.progress.lock().last);
    let input = format!("{}{more}\"", item.input.strip_suffix('"').unwrap_or(&item.input));
    let request = request(group, Encoding::Float, &items, std::iter::once(input.as_str()));
    // Repeated attempts would hold up all packs.
    let mut request = RelayRequest { is_trial: true, ..request };
    request.tokens.input += more.len() as u64 / 4;
    request.tokens.most_input += more.len() as u64;
    let counted = shared.relay.request(&request, &record, &mut Sum::default(), |relayed, _| Ok(relayed.usage.input())).await;
    let asked = std::mem::replace(&mut item.progress.lock().last, answered);
    // If the ledger is closed, the run stops by itself.
    let _closed = shared.ledger.ended(asked.filter(|asked| asked.failure.is_none()).into_iter().collect()).await;
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_counts_and_usual_limits_are_doubtful_until_such_texts_were_read_whole() {
        for (estimates, counted) in [
            (&[400][..], 256),
            (&[400], 64),
            (&[231], 120),
            (&[755], 170),
            (&[130], 128),
            (&[130], 126),
            (&[400, 380, 390], 3 * 254),
            (&[100, 400, 400, 50], 662),
        ] {
            assert!(is_doubtful(estimates, counted, 0), "{estimates:?}: {counted}");
            let longest = estimates.iter().copied().max().unwrap_or(0);
            assert!(!is_doubtful(estimates, counted, longest), "{estimates:?}: {counted}");
        }
        assert!(is_doubtful(&[60; 16], 16 * 70, 0) && !is_doubtful(&[60; 16], 16 * 70, 60) && !is_doubtful(&[60; 15], 15 * 70, 0));
        for (estimates, counted) in [(&[400][..], 380), (&[400], 500), (&[50], 20), (&[400, 300], 699), (&[400], 0)] {
            assert!(!is_doubtful(estimates, counted, 0), "{estimates:?}: {counted}");
        }
    }
}
