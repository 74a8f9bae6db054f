//! What a login may do, by Vault's own word: asked instead of tried, so that nothing is changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustify::endpoint::Endpoint;
use rustify::enums::{RequestMethod, RequestType, ResponseType};
use vaultrs::api;
use vaultrs::client::VaultClient;

use super::explain::{Attempt, Doing};
use super::{StoreError, VaultStore};

/// By path what may be done there: `read`, `update`, and so on; `deny` for nothing, `root` for everything.
pub type Capabilities = BTreeMap<String, Vec<String>>;

struct CapabilitiesSelf<'a> {
    paths: &'a [String],
}

impl Endpoint for CapabilitiesSelf<'_> {
    type Response = Capabilities;
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        "sys/capabilities-self".to_owned()
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::POST
    }

    fn body(&self) -> Result<Option<Vec<u8>>, rustify::errors::ClientError> {
        Ok(Some(serde_json::json!({ "paths": self.paths }).to_string().into_bytes()))
    }
}

impl VaultStore {
    pub(in crate::store) async fn capabilities(&self, paths: &[String]) -> Result<Capabilities, StoreError> {
        let doing = Doing::Path { verb: "ask", mount: "sys", path: "capabilities-self" };
        let attempt = Attempt { doing, address: &self.config.address, timeout: self.config.timeout };
        let ask = |client: Arc<VaultClient>| async move {
            api::exec_with_result(&*client, CapabilitiesSelf { paths }).await
        };
        self.call(attempt, ask).await
    }
}
