//! A docmill server, and a client that is not docmill.

use super::{Running, Workspace};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Maximum time to wait for a state.
const PATIENCE: Duration = Duration::from_mins(2);
/// Arguments of the program.
const ARGUMENTS: [&str; 4] = ["serve", "server", "--bind", "0"];

/// A running `docmill serve`, with an HTTP client.
pub struct Serving {
    /// The process.
    pub process: Running,
    base: String,
    runtime: Runtime,
    client: reqwest::Client,
    headers: Vec<(&'static str, String)>,
}

/// A response.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The body.
    pub text: String,
    headers: reqwest::header::HeaderMap,
}

impl Response {
    /// Checks the status.
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Waits until a server says its address.
pub fn address_of(process: &Running) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let heard = process.heard();
        let line = heard.split_once('\n').map_or("", |(line, _)| line);
        if let Some(address) = line.split_whitespace().find(|word| word.starts_with("http://") || word.starts_with("https://")) {
            return address.to_owned();
        }
        assert!(Instant::now() < deadline, "the server did not start:\n{}", process.said());
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Serving {
    /// Starts `docmill serve server` with the settings of the workspace.
    pub fn start(workspace: &Workspace) -> Self {
        Self::of(workspace.start_with(ARGUMENTS))
    }

    /// Starts it on a port that is already open, as a service manager does.
    #[cfg(target_os = "linux")]
    pub fn start_on(workspace: &Workspace, port: std::net::TcpListener) -> Self {
        Self::of(workspace.start_with_port(ARGUMENTS, port))
    }

    fn of(process: Running) -> Self {
        let base = address_of(&process);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let authority = reqwest::Certificate::from_pem(include_bytes!("tls/ca.pem")).unwrap();
        // Each request has its own connection, so that it meets the certificate in force.
        let client = reqwest::Client::builder().no_proxy().tls_certs_merge([authority]).tls_info(true).pool_max_idle_per_host(0);
        let client = client.build().unwrap();
        Self { process, base, runtime, client, headers: Vec::new() }
    }

    /// Sends this header with all requests.
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(own, _)| *own != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The address of the server.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The server's certificate as text with its names.
    pub fn certificate(&self) -> String {
        let response = self.runtime.block_on(self.client.get(format!("{}/healthz", self.base)).send()).unwrap();
        let info = response.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
        String::from_utf8_lossy(info.peer_certificate().unwrap()).into_owned()
    }

    /// Waits until `look` finds something.
    pub fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "waited in vain until {what}:\n{}", self.process.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn send(&self, mut request: reqwest::RequestBuilder) -> Response {
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Response { status, headers, text: response.text().await.unwrap() }
        })
    }

    /// Sends a GET request.
    pub fn get(&self, path: &str) -> Response {
        self.send(self.client.get(format!("{}{path}", self.base)))
    }

    /// Sends a GET request to another server.
    pub fn get_from(&self, address: &str) -> Response {
        self.send(self.client.get(address))
    }

    /// Sends a POST request with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.post_with(path, &[("content-type", "application/json")], body.to_string())
    }

    /// Sends POST requests with JSON bodies, all at the same time. The responses are in order.
    pub fn post_together(&self, path: &str, bodies: &[Value]) -> Vec<Response> {
        let send = |body: &Value| {
            let request = self.client.post(format!("{}{path}", self.base)).header("content-type", "application/json");
            let request = self.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
            let sent = request.body(body.to_string()).send();
            async move {
                let response = sent.await.unwrap();
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                Response { status, headers, text: response.text().await.unwrap() }
            }
        };
        self.runtime.block_on(futures::future::join_all(bodies.iter().map(send)))
    }

    /// Sends a POST request with these headers and this body.
    pub fn post_with(&self, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Response {
        let request = self.client.post(format!("{}{path}", self.base)).body(body);
        self.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    }

    /// Sends a POST request on a connection of its own, and ignores what becomes of it.
    pub fn post_expecting_nothing(&self, path: &str, body: &Value) {
        let mut stream = self.connect_and_post(path, body);
        // The server may be killed meanwhile.
        drop(std::io::copy(&mut stream, &mut std::io::sink()));
    }

    /// Sends a POST request on a connection of its own. The thread returns the whole response.
    pub fn post_in_background(&self, path: &str, body: &Value) -> std::thread::JoinHandle<String> {
        let mut stream = self.connect_and_post(path, body);
        std::thread::spawn(move || {
            let mut response = String::new();
            // The server may close the connection without ceremony.
            drop(stream.read_to_string(&mut response));
            response
        })
    }

    /// Sends a POST request on a connection of its own, and closes that without waiting for the
    /// response.
    pub fn post_and_leave(&self, path: &str, body: &Value) {
        drop(self.connect_and_post(path, body));
    }

    fn connect_and_post(&self, path: &str, body: &Value) -> std::net::TcpStream {
        let host = self.base.strip_prefix("http://").unwrap();
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        let body = body.to_string();
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\n{headers}connection: close\r\ncontent-type: application/json\r\n\
            content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        stream
    }

    /// Sends a DELETE request.
    pub fn delete(&self, path: &str) -> Response {
        self.send(self.client.delete(format!("{}{path}", self.base)))
    }

    /// Submits texts to a job, each with its name. Returns the id of the run.
    pub fn submit(&self, job: &str, texts: &[(&str, &str)]) -> String {
        let texts: Vec<Value> = texts.iter().map(|(name, text)| json!({"name": name, "text": text})).collect();
        let response = self.post("/api/runs", &json!({"job": job, "texts": texts})).is(202);
        response.json()["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a run satisfies a condition.
    pub fn wait(&self, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.wait_at(&format!("/api/runs/{id}"), what, is_so)
    }

    /// Waits until the JSON at this path satisfies a condition.
    pub fn wait_at(&self, path: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.until(&format!("{path} is {what}"), || {
            let found = self.get(path).is(200).json();
            is_so(&found).then_some(found)
        })
    }

    /// Waits until a run is in this state.
    pub fn wait_for(&self, id: &str, state: &str) -> Value {
        self.wait(id, state, |run| run["state"] == state)
    }

    /// Reads the events of a run from their beginning, or after an event, until `enough`.
    pub fn events(&self, id: &str, after: Option<&str>, enough: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        let mut request = self.client.get(format!("{}/api/runs/{id}/events", self.base));
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        self.runtime.block_on(async {
            let mut response = request.send().await.unwrap();
            assert_eq!(response.status().as_u16(), 200);
            let (mut text, mut events) = (String::new(), Vec::new());
            while let Some(piece) = tokio::time::timeout(PATIENCE, response.chunk()).await.unwrap().unwrap() {
                text.push_str(std::str::from_utf8(&piece).unwrap());
                while let Some((block, rest)) = text.split_once("\n\n") {
                    events.extend(Event::parse(block));
                    text = rest.to_owned();
                }
                if enough(&events) {
                    break;
                }
            }
            events
        })
    }
}

/// A server-sent event.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its id, if it has one.
    pub id: Option<String>,
    /// Its data.
    pub data: Value,
}

impl Event {
    fn parse(block: &str) -> Option<Self> {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(ToOwned::to_owned);
        Some(Self { name: field("event")?, id: field("id"), data: serde_json::from_str(&field("data")?).unwrap() })
    }
}
