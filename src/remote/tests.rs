use super::*;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap().unwrap()
}

fn problem(text: &str) -> String {
    Address::parse(text).unwrap().unwrap_err()
}

#[test]
fn an_address_has_a_bucket_and_a_key_and_shows_no_secret() {
    let s3 = address("s3://bucket/a b%20/c/");
    assert_eq!((s3.bucket.as_str(), s3.key.as_ref(), s3.shown.as_str()), ("bucket", "a b%20/c", "s3://bucket/a b%20/c"));
    assert_eq!((address("gs://b").key.as_ref(), address("az://b/").shown.as_str()), ("", "az://b"));
    let web = address("https://me:pass@host:81/a/b.pdf?X-Amz-Signature=abcdef#top");
    assert_eq!(web.shown, "https://host:81/a/b.pdf");
    assert!(!format!("{web:?}").contains("abcdef") && !format!("{web:?}").contains("pass"));
    for local in ["docs", "/a/b", "C:\\x", "ftp://host/x", "odd://name"] {
        assert!(Address::parse(local).is_none(), "{local}");
    }
    assert!(problem("s3:///x").contains("names no bucket"));
    assert!(problem("s3://b/a//c").contains("empty"));
    assert!(problem("https://host/list/?key=abcdef").contains("cannot be listed"));
    assert!(!problem("https://host/list/?key=abcdef").contains("abcdef"));
}

#[test]
fn keys_below_an_address_follow_a_slash() {
    let (root, scans) = (address("s3://b"), address("s3://b/scans"));
    assert_eq!(
        (root.below("a/b"), scans.below("scans/a"), scans.below("scans2/a"), scans.below("scans")),
        (Some("a/b"), Some("a"), None, None)
    );
    assert_eq!(scans.join("a").unwrap().as_ref(), "scans/a");
    assert_eq!((scans.join("../a"), scans.join("a//b"), scans.join("a/")), (None, None, None));
    assert!(root.contains(&scans) && scans.contains(&scans) && !scans.contains(&root) && !scans.contains(&address("s3://b/scans2")));
    assert!(!scans.contains(&address("gs://b/scans")));
    assert!(!address("https://h/a").contains(&address("https://h/a/b")));
}

#[test]
fn queries_and_users_are_cut_out_of_any_text() {
    let text = "GET https://u:p@h/a?sig=1 failed (http://127.0.0.1:9/x?y#z): see s3://b/k?v";
    assert_eq!(without_queries(text), "GET https://h/a failed (http://127.0.0.1:9/x): see s3://b/k");
    assert_eq!(without_queries("nothing: here?"), "nothing: here?");
}

fn client(text: &str, env: &[(&str, &str)]) -> Result<Client, String> {
    let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Client::new(&address(text), &env)
}

#[test]
fn plain_http_is_for_this_machine_or_for_those_who_say_so() {
    let far = ("AWS_ENDPOINT_URL", "http://minio.lan:9000");
    let refused = client("s3://b/k", &[far]).unwrap_err();
    assert!(refused.contains("AWS_ENDPOINT_URL is http://minio.lan:9000") && refused.contains("AWS_ALLOW_HTTP=true"), "{refused}");
    assert!(client("s3://b/k", &[far, ("AWS_ALLOW_HTTP", "true")]).is_ok());
    assert!(client("s3://b/k", &[("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")]).is_ok());
    assert!(client("http://[::1]:80/a", &[]).is_ok());
    assert!(client("http://host/a", &[]).unwrap_err().contains("Use https"));
}

#[test]
fn errors_of_a_service_are_shown_without_secrets() {
    let client = client("s3://b/k", &[("AWS_SECRET_ACCESS_KEY", "very-secret-key"), ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")]).unwrap();
    let error = |text: &str| object_store::Error::Generic { store: "S3", source: text.to_owned().into() };
    let body =
        "<Error><Code>AccessDenied</Code><Message>AKIAEXAMPLE may not\nRequestId:1</Message><StringToSign>very</StringToSign></Error>";
    let denied = client.trouble(&error(&format!("list: Server returned non-2xx status code: 403 Forbidden: {body}")));
    assert_eq!(denied, Trouble::Denied("the server replied 403 Forbidden (AccessDenied: *** may not)".into()));
    let gone = client.trouble(&error("status code: 404 Not Found: "));
    assert_eq!(gone, Trouble::Missing("the server replied 404 Not Found".into()));
    let other = client.trouble(&error("no way to https://h/a?very-secret-key: very-secret-key"));
    assert_eq!(other, Trouble::Other("no way to https://h/a ***".into()));
}

#[test]
fn every_service_has_a_client() {
    let key = "QUJDREVG";
    assert!(client("az://c/k", &[("AZURE_STORAGE_ACCOUNT_NAME", "a"), ("AZURE_STORAGE_ACCOUNT_KEY", key)]).is_ok());
    assert!(client("gs://b/k", &[("GOOGLE_SKIP_SIGNATURE", "true")]).is_ok());
    let unnamed = client("az://c/k", &[]).unwrap_err();
    assert!(unnamed.contains("AZURE_STORAGE_ACCOUNT_NAME"), "{unnamed}");
}
