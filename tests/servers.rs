//! The servers that other tests lean on do what those tests assume.

mod support;

use serde_json::json;
use support::openbao::OpenBao;

#[test]
fn openbao_keeps_its_data_over_a_stop_a_freeze_and_a_seal() {
    let mut bao = OpenBao::start();
    bao.succeed("POST", "secret/data/a", &json!({"data": {"b": 1}, "options": {"cas": 0}}));
    let read = |bao: &OpenBao| bao.succeed("GET", "secret/data/a", &json!(null))["data"]["data"]["b"].clone();
    bao.stop();
    bao.start_again();
    assert_eq!(read(&bao), json!(1), "after a stop");
    bao.freeze();
    bao.thaw();
    assert_eq!(read(&bao), json!(1), "after a freeze");
    bao.seal();
    assert_eq!(bao.call("GET", "secret/data/a", &json!(null)).status, 503, "while sealed");
    bao.unseal();
    assert_eq!(read(&bao), json!(1), "after a seal");
}
