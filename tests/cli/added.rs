//! `lucida models add` and `remove`: checkpoints that a person gives ids, and that are used by them.

use std::collections::HashMap;
use std::fs;

use candle_core::Tensor;
use lucida::models::cyclegan::Config;
use lucida::models::{ResnetGenerator, TransformerNet, Unet, random, transformer_net, unet};

use crate::caption::{ATTENDS, TELLS};
use crate::translate::{bare, discriminator, generator, save};
use crate::*;

/// A folder with `photo.png`, a U-Net of 21 classes and the generators of a CycleGAN.
fn folder() -> TempDir {
    let dir = crate::folder();
    let network = random::tensors(|vb| Unet::new(unet::Config::new(4, true, 21), vb)).unwrap();
    save(dir.path(), "My_UNet (best).pth", network);
    save(dir.path(), "latest_net_G_A.pth", bare(generator("netG_A"), "netG_A"));
    save(dir.path(), "way_back.pth", bare(generator("netG_B"), "netG_B"));
    dir
}

/// All below the folder where models are added to.
fn kept(folder: &Path) -> Vec<String> {
    let models = folder.join("data/models");
    if models.exists() { names(&models) } else { Vec::new() }
}

/// Adds a file whose name may have blanks.
fn add(folder: &Path, file: &str, more: &str) -> Output {
    lucida(folder, &format!("models add {more}")).arg(file).output().unwrap()
}

#[test]
fn a_checkpoint_gets_an_id_and_works_by_it() {
    let dir = folder();
    let p = dir.path();
    let before = succeed(p, "models");
    fs::copy(p.join("My_UNet (best).pth"), p.join("same.pth")).unwrap();
    succeed(p, "segment photo.png -o a.png --mask a-labels.png --model same.pth");

    let output = add(p, "My_UNet (best).pth", "--arch unet");
    assert_eq!(String::from_utf8(output.stdout.clone()).unwrap(), "my-unet-best\n", "{}", stderr(&output));
    assert!(stderr(&output).contains("lucida segment"), "{}", stderr(&output));
    fs::remove_file(p.join("My_UNet (best).pth")).unwrap();
    let list = succeed(p, "models");
    let line = list.lines().find(|line| line.starts_with("my-unet-best ")).expect("it is listed");
    assert!(line.contains("My_UNet (best).pth") && line.contains("nknown"), "{line}");
    assert_eq!(list.lines().count(), before.lines().count() + 1);
    let all = json(&succeed(p, "models --json"));
    let card = all.as_array().unwrap().iter().find(|card| card["id"] == "my-unet-best").unwrap();
    assert_eq!((&card["task"], &card["architecture"]), (&"segment".into(), &"unet".into()));
    let network = lucida::zoo::read_tensors(&p.join("same.pth")).unwrap();
    let trained = network.iter().filter(|(name, _)| !name.contains("running_") && !name.contains("num_batches"));
    let count: usize = trained.map(|(_, tensor)| tensor.elem_count()).sum();
    assert_eq!(card["parameters"].as_u64().unwrap(), count as u64);
    let shown = succeed(p, "models show my-unet-best");
    assert!(shown.contains("architecture = \"unet\""), "{shown}");

    let said = json(&succeed(p, "segment photo.png -o b.png --mask b-labels.png --model my-unet-best --json"));
    assert_eq!(said["model"], "my-unet-best");
    assert_eq!(open(p, "a-labels.png"), open(p, "b-labels.png"));
    assert!(succeed(p, "segment --list").lines().any(|line| line == "my-unet-best"));
    assert!(!succeed(p, "translate --list").contains("my-unet-best"));
    assert!(fail(p, "models add same.pth --id my-unet-best", 2).contains("--id"));
    assert!(fail(p, "translate photo.png -o c.png --model my-unet-best", 2).contains("a model of `lucida segment`"));

    // The card is a person's to write in.
    let card = p.join("data/models/my-unet-best/card.toml");
    let classes: Vec<String> = (0..21).map(|i| format!("kind {i}")).collect();
    fs::write(&card, format!("{shown}\nclasses = {classes:?}\n")).unwrap();
    let said = json(&succeed(p, "segment photo.png -o c.png --model my-unet-best --json"));
    assert!(said["classes"][0]["name"].as_str().unwrap().starts_with("kind "), "{said}");
    // One that nobody can read takes the model from the list, and no more.
    fs::write(&card, "id = ").unwrap();
    assert_eq!(succeed(p, "models"), before);
    assert_eq!(succeed(p, "models remove my-unet-best"), "");
    assert_eq!(kept(p), Vec::<String>::new());
    assert!(fail(p, "models remove my-unet-best", 2).contains("my-unet-best"));
    assert!(fail(p, "segment photo.png -o d.png --model my-unet-best", 2).contains("neither a model nor a file"));
}

#[test]
fn generators_are_added_with_their_way_back() {
    let dir = folder();
    let p = dir.path();
    assert_eq!(succeed(p, "models add latest_net_G_A.pth --back way_back.pth --id horses"), "horses\n");
    assert_eq!(succeed(p, "models add latest_net_G_A.pth"), "latest-net-g-a\n");
    assert_eq!(kept(p), ["horses", "latest-net-g-a"]);
    assert!(succeed(p, "translate --list").ends_with("horses\nlatest-net-g-a\n"));
    succeed(p, "translate photo.png -o a.png --cycle a2.png --model latest_net_G_A.pth --back way_back.pth");
    let said = json(&succeed(p, "translate photo.png -o b.png --cycle b2.png --model horses --json"));
    assert_eq!(said["model"], "horses");
    assert_eq!((open(p, "a.png"), open(p, "a2.png")), (open(p, "b.png"), open(p, "b2.png")));
    let one = "translate photo.png -o c.png --cycle c2.png --model latest-net-g-a";
    assert!(fail(p, one, 2).contains("--back"));
    succeed(p, &format!("{one} --back way_back.pth"));
    assert_eq!(open(p, "a2.png"), open(p, "c2.png"));
    succeed(p, "models remove horses");
    assert_eq!(kept(p), ["latest-net-g-a"]);
}

#[test]
fn a_generator_keeps_the_direction_that_its_file_tells() {
    let dir = folder();
    let p = dir.path();
    fs::rename(p.join("way_back.pth"), p.join("latest_net_G_B.pth")).unwrap();
    let translate = |more: &str| json(&succeed(p, &format!("translate photo.png --json {more}")))["direction"].clone();
    fs::create_dir(p.join("alone")).unwrap();
    fs::copy(p.join("latest_net_G_B.pth"), p.join("alone/latest_net_G_B.pth")).unwrap();
    assert_eq!(translate("-o file.png --model alone/latest_net_G_B.pth"), "b2a");
    assert_eq!(succeed(p, "models add latest_net_G_B.pth"), "latest-net-g-b\n");
    assert_eq!(translate("-o added.png --model latest-net-g-b"), "b2a");
    succeed(p, "models add latest_net_G_B.pth --back latest_net_G_A.pth --id both");
    assert_eq!(translate("-o both.png --model both --direction b2a --cycle both-cycle.png"), "b2a");
    assert_eq!(translate("-o pair.png --model latest_net_G_B.pth --cycle pair-cycle.png"), "b2a");
    for name in ["added.png", "both.png", "pair.png"] {
        assert_eq!(open(p, name), open(p, "file.png"), "{name}");
    }
    assert_eq!(open(p, "both-cycle.png"), open(p, "pair-cycle.png"));
    assert_ne!(open(p, "both-cycle.png"), open(p, "photo.png"));
}

#[test]
fn what_cannot_be_translated_with_is_not_added() {
    let dir = folder();
    let p = dir.path();
    fs::rename(p.join("My_UNet (best).pth"), p.join("unet.pth")).unwrap();
    let of_two = Config { width: 4, channels: [2, 3], ..Config::paper(1) };
    save(p, "two-channels.pth", random::tensors(|vb| ResnetGenerator::new(of_two, vb)).unwrap());
    save(p, "both.pth", ["netG_A", "netG_B"].map(generator).into_iter().flatten().collect());
    let judged = |change: fn(&mut HashMap<String, Tensor>)| {
        let mut tensors = [generator("netG_A"), discriminator("netD_A")].into_iter().flatten().collect();
        change(&mut tensors);
        tensors
    };
    let torn = judged(|tensors| drop(tensors.remove("netD_A.model.8.bias")));
    save(p, "torn-judge.pth", torn);
    let of_four = judged(|tensors| {
        let weight = Tensor::zeros((4, 4, 4, 4), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        tensors.insert("netD_A.model.0.weight".to_owned(), weight);
    });
    save(p, "judge-of-four.pth", of_four);
    for (arguments, help) in [
        ("two-channels.pth", "2 and 3 channels"),
        ("torn-judge.pth", "model.8.bias"),
        ("judge-of-four.pth", "sees 4 channels"),
        ("unet.pth --back way_back.pth", "unet.pth: the weights are unet's, which does not translate"),
        ("way_back.pth --back unet.pth", "unet.pth: the weights are unet's, which does not translate"),
        ("both.pth --back way_back.pth", "both.pth: it holds generators both ways"),
        ("way_back.pth --back both.pth", "both.pth: it holds generators both ways"),
        ("way_back.pth --back missing.pth", "missing.pth"),
    ] {
        let said = fail(p, &format!("models add {arguments}"), 1);
        assert!(said.contains(help), "{arguments}: {said}");
        assert_eq!(kept(p), Vec::<String>::new(), "{arguments}");
    }
    save(p, "judged.pth", judged(|_| {}));
    succeed(p, "models add judged.pth");
    succeed(p, "translate photo.png -o a.png --model judged --patches patches.png");
}

#[test]
fn what_no_task_can_use_is_not_added() {
    let dir = folder();
    let p = dir.path();
    fs::write(p.join("text.pth"), "no weights").unwrap();
    let painter = TransformerNet::random(&transformer_net::Config::johnson(4)).unwrap();
    save(p, "painter.pth", painter);
    save(p, "judge.pth", bare(discriminator("netD_A"), "netD_A"));
    let mut torn = bare(generator("netG_A"), "netG_A");
    torn.retain(|name, _| !name.starts_with("model.7."));
    save(p, "torn.pth", torn);
    let stranger = Tensor::zeros(3, candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
    save(p, "stranger.pth", HashMap::from([("abc".to_owned(), stranger)]));
    save(p, "고양이.pth", bare(generator("netG_A"), "netG_A"));
    for (arguments, status, help) in [
        ("missing.pth", 1, "missing.pth"),
        ("text.pth", 1, "text.pth"),
        ("painter.pth", 1, "transformer-net"),
        ("judge.pth", 1, "patch-gan"),
        ("torn.pth", 1, "model.7."),
        ("stranger.pth", 1, "abc"),
        ("고양이.pth", 2, "--id"),
        ("way_back.pth --id Way_Back", 2, "lower-case"),
        ("way_back.pth --id ../way", 2, "lower-case"),
        ("way_back.pth --id unet-camvid", 2, "already"),
        ("way_back.pth --id fcn-16s-camvid", 2, "already"),
        ("way_back.pth --arch pix2pix-unet", 1, "model.model.0.weight"),
        ("way_back.pth --arch no-such", 2, "cyclegan-resnet"),
        ("way_back.pth --back torn.pth", 1, "model.7."),
        ("way_back.pth --back painter.pth", 1, "transformer-net"),
    ] {
        let said = fail(p, &format!("models add {arguments}"), status);
        assert!(said.contains(help), "{arguments}: {said}");
        assert_eq!(kept(p), Vec::<String>::new(), "{arguments}");
    }
    assert!(fail(p, "models remove unet-camvid", 2).contains("none"));
    // A folder for data that is a file.
    fs::write(p.join("data"), "").unwrap();
    fail(p, "models add way_back.pth", 1);
    succeed(p, "models");
}

/// A model that ships, as a file of its own; its words are in the file.
fn shipped(id: &str) -> String {
    format!("{}/assets/models/{id}/model.safetensors", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_decoder_is_added_with_its_encoder_and_its_words() {
    let dir = folder();
    let p = dir.path();
    let attends = shipped(ATTENDS);
    fs::copy(shipped(TELLS), p.join("tells.safetensors")).unwrap();
    fs::copy(p.join("latest_net_G_A.pth"), p.join("fcn_resnet50.pth")).unwrap(); // no encoder
    let alone = fail(p, "models add tells.safetensors", 2);
    assert!(alone.contains("tells.safetensors") && alone.contains("(--encoder)"), "{alone}");
    for (arguments, help) in [
        ("latest_net_G_A.pth --words words.json", "does not describe pictures"),
        (&*format!("latest_net_G_A.pth --encoder {attends}"), "does not describe pictures"),
        ("tells.safetensors --encoder latest_net_G_A.pth", "latest_net_G_A.pth: "),
        ("tells.safetensors --encoder missing.pth", "missing.pth could not be read"),
    ] {
        let said = fail(p, &format!("models add {arguments}"), 1);
        assert!(said.contains(help), "{arguments}: {said}");
    }
    assert_eq!(kept(p), Vec::<String>::new());

    assert_eq!(succeed(p, &format!("models add tells.safetensors --encoder {attends}")), "tells\n");
    fs::remove_file(p.join("tells.safetensors")).unwrap();
    assert_eq!(succeed(p, "caption --list").lines().collect::<Vec<_>>(), [ATTENDS, TELLS, "tells"]);
    let all = json(&succeed(p, "models --json"));
    let card = all.as_array().unwrap().iter().find(|card| card["id"] == "tells").unwrap();
    assert_eq!((&card["task"], &card["architecture"]), (&"caption".into(), &"show-and-tell".into()));
    let said = json(&succeed(p, "caption photo.png --model tells --json"));
    assert_eq!(said["model"], "tells");
    assert_eq!(said["caption"], json(&succeed(p, &format!("caption photo.png --model {TELLS} --json")))["caption"]);
    assert!(!succeed(p, "segment --list").contains("tells"));
    succeed(p, "models remove tells");
    assert_eq!(kept(p), Vec::<String>::new());
}

#[test]
fn a_tutorials_checkpoint_is_added_whole() {
    let Some(oracles) = shared("oracles") else { return };
    let dir = folder();
    let p = dir.path();
    for (from, to) in [
        ("caption_BEST_checkpoint.pth.tar", "BEST_checkpoint.pth.tar"),
        ("caption_decoder.pth", "decoder.pth"),
        ("caption_decoder.WORDMAP.json", "words.json"),
    ] {
        fs::copy(oracles.join(from), p.join(to)).unwrap();
    }
    assert!(fail(p, "models add BEST_checkpoint.pth.tar", 2).contains("(--words)"));
    fs::write(p.join("lines.json"), fs::read_to_string(p.join("words.json")).unwrap().replace("\"dog\"", "\"d\\nog\""))
        .unwrap();
    assert!(
        fail(p, "models add BEST_checkpoint.pth.tar --words lines.json", 1)
            .contains("control characters in its word \"d\\nog\"")
    );
    fs::write(p.join("two.json"), r#"{"<start>": 0, "<end>": 1}"#).unwrap();
    let said = fail(p, "models add BEST_checkpoint.pth.tar --words two.json", 1);
    assert!(said.contains("2 words are listed, the decoder has 60"), "{said}");
    assert_eq!(kept(p), Vec::<String>::new());

    let whole = "caption photo.png --json --model BEST_checkpoint.pth.tar --words words.json";
    let parts = "caption photo.png --json --model decoder.pth --words words.json --encoder BEST_checkpoint.pth.tar";
    let [whole, parts] = [whole, parts].map(|command| json(&succeed(p, command)));
    assert_eq!(succeed(p, "models add BEST_checkpoint.pth.tar --words words.json"), "best-checkpoint\n");
    let joined = "models add decoder.pth --words words.json --encoder BEST_checkpoint.pth.tar --id joined";
    assert_eq!(succeed(p, joined), "joined\n");
    for file in ["BEST_checkpoint.pth.tar", "decoder.pth", "words.json"] {
        fs::remove_file(p.join(file)).unwrap();
    }
    for (id, before) in [("best-checkpoint", whole), ("joined", parts)] {
        let said = json(&succeed(p, &format!("caption photo.png --json --model {id}")));
        assert_eq!((&said["caption"], &said["words"]), (&before["caption"], &before["words"]), "{id}");
    }
}
