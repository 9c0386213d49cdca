use super::*;

fn future_bytes<'p, F: Future>(_: impl FnOnce(&'p DocumentProcessor, Ready) -> F) -> usize {
    size_of::<F>()
}

fn call_bytes<'p, F: Future>(_: impl FnOnce(&'p DocumentProcessor, Subject<'p>, &'p Call, Asking<'p>) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn a_waiting_document_takes_at_most_eight_kilobytes_beside_its_content() {
    let (document, call) = (future_bytes(DocumentProcessor::serve), call_bytes(DocumentProcessor::ask_once));
    assert!(document + call <= 8192, "{document} for the document, {call} for each call");
}
