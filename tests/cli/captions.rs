//! `lucida caption` of many pictures: rows that outlive interruptions, and what of them can be resumed.

use std::fs;

use serde_json::Value;

use crate::caption::{ATTENDS, check};
use crate::*;

/// A folder with `trip`, in which are pictures with names that a table has to quote, and one that is none.
fn folder() -> TempDir {
    let dir = TempDir::new().unwrap();
    let trip = dir.path().join("trip");
    fs::create_dir(&trip).unwrap();
    for (index, name) in ["a.png", "b, c.png", "d.png"].into_iter().enumerate() {
        picture(40 + index as u32 * 8, 32, false).save(trip.join(name)).unwrap();
    }
    fs::write(trip.join("e.png"), "no picture").unwrap();
    dir
}

const FILES: [&str; 3] = ["trip/a.png", "trip/b, c.png", "trip/d.png"];

/// Runs what has one bad file and returns its standard output.
fn all_but_one(folder: &Path, arguments: &str) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("trip/e.png") && stderr(&output).contains("1 of "), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// File and caption of each line.
fn lines(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        assert!(line.starts_with("{\"file\":"), "{line}");
        check(&row, row["beam"].as_u64().unwrap());
        (row["file"].as_str().unwrap().to_owned(), row["caption"].as_str().unwrap().to_owned())
    };
    text.lines().map(line).collect()
}

/// All records of a table, without its columns.
fn records(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    assert_eq!(reader.headers().unwrap(), vec!["file", "caption", "log_prob", "beam", "model"]);
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn a_folder_gives_a_sentence_for_each_picture_and_one_bad_file_fails_alone() {
    let dir = folder();
    let p = dir.path();
    let plain = all_but_one(p, "caption trip");
    let said: Vec<_> = plain.lines().map(|line| line.split_once('\t').unwrap()).collect();
    assert_eq!(said.iter().map(|(file, _)| *file).collect::<Vec<_>>(), FILES);
    assert!(said.iter().all(|(_, sentence)| !sentence.is_empty()));
    let said: Vec<_> = said.into_iter().map(|(file, said)| (file.to_owned(), said.to_owned())).collect();

    // The report that every command prints.
    let report = json(&all_but_one(p, "caption trip --json --no-attention"));
    let results = report["results"].as_array().unwrap();
    let told: Vec<_> = results.iter().map(|r| (r["file"].as_str().unwrap(), r["caption"].as_str().unwrap())).collect();
    assert!(told.iter().zip(&said).all(|(told, said)| *told == (said.0.as_str(), said.1.as_str())));
    assert!(
        results.iter().all(|result| result.get("output").is_none() && result["words"][0].get("attention").is_none())
    );
    assert_eq!(report["failed"][0]["file"], "trip/e.png");

    assert_eq!(lines(&all_but_one(p, "caption trip -o -")), said);
    assert_eq!(all_but_one(p, "caption trip -o said.jsonl"), "");
    assert_eq!(lines(&fs::read_to_string(p.join("said.jsonl")).unwrap()), said);
    assert_eq!(all_but_one(p, "caption trip -o said.csv --beam 3"), "");
    let rows = records(&p.join("said.csv"));
    assert_eq!(rows.iter().map(|row| &row[0]).collect::<Vec<_>>(), FILES);
    assert!(rows.iter().all(|row| row[2].parse::<f64>().unwrap() < 0.0 && row[3..] == ["3", ATTENDS]));
}

#[test]
fn each_picture_of_several_has_maps_and_files_of_its_own() {
    let dir = folder();
    let p = dir.path();
    fs::create_dir(p.join("x")).unwrap();
    picture(40, 32, false).save(p.join("x/a.png")).unwrap();
    fs::create_dir_all(p.join("maps/d.png")).unwrap();
    fs::write(p.join("maps/d.png/01-dog.png"), "mine").unwrap();
    // Its stem is the folder above.
    fs::copy(p.join("x/a.png"), p.join("x/...png")).unwrap();
    let output = run(
        p,
        "caption trip/a.png x/a.png x/...png trip/d.png --heatmaps maps --sheet drawn --animation drawn --numbers drawn",
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("01-dog.png already exists"), "{}", stderr(&output));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
    assert_eq!(names(&p.join("maps")), ["...png", "a-2.png", "a.png", "d.png"]);
    assert_eq!(names(&p.join("maps/d.png")), ["01-dog.png"]);
    assert!(names(&p.join("maps/a-2.png")).contains(&"sum.png".to_owned()));
    let drawn = [
        "...png.animation.gif",
        "...png.attention.npy",
        "...png.sheet.png",
        "a-2.png.animation.gif",
        "a-2.png.attention.npy",
        "a-2.png.sheet.png",
        "a.png.animation.gif",
        "a.png.attention.npy",
        "a.png.sheet.png",
    ];
    assert_eq!(names(&p.join("drawn")), drawn);

    // Files are made of all, also where nobody reads the sentences.
    let mut command = lucida(p, "caption trip/a.png x/a.png --heatmaps unread");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(names(&p.join("unread")), ["a-2.png", "a.png"]);
}

#[test]
fn rows_are_resumed_where_they_end() {
    let dir = folder();
    let p = dir.path();
    for (name, torn) in
        [("said.jsonl", "{\"file\":\"trip/d.png\",\"capt"), ("said.csv", "\"trip/b, c.png\",a dog \"\"ru")]
    {
        let path = p.join(name);
        all_but_one(p, &format!("caption trip -o {name}"));
        let whole = fs::read(&path).unwrap();
        // Of the first row all is there, of another a part.
        let rows = whole.split_inclusive(|byte| *byte == b'\n').take(if name == "said.csv" { 2 } else { 1 });
        let first: Vec<u8> = rows.flatten().copied().collect();
        for torn in [torn, ""] {
            fs::write(&path, [&first[..], torn.as_bytes()].concat()).unwrap();
            // The same folder by another name.
            let output = run(p, &format!("caption ./trip -o {name} --resume"));
            assert!(stderr(&output).contains("1 of 4 pictures have a row already"), "{}", stderr(&output));
            let now = fs::read(&path).unwrap();
            assert_eq!(now[..first.len()], first[..]);
            let files: Vec<String> = match name {
                "said.csv" => records(&path).into_iter().map(|mut row| row.swap_remove(0)).collect(),
                _ => lines(&String::from_utf8(now).unwrap()).into_iter().map(|line| line.0).collect(),
            };
            assert_eq!(files, ["trip/a.png", "./trip/b, c.png", "./trip/d.png"]);
        }
        // Nothing is left to do but what cannot be done.
        let before = fs::read(&path).unwrap();
        all_but_one(p, &format!("caption trip -o {name} --resume"));
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(succeed(p, &format!("caption trip/a.png -o {name} --resume")), "");
        let report = json(&succeed(p, &format!("caption trip/a.png -o {name} --resume --json")));
        assert_eq!((&report["results"], &report["failed"]), (&Value::Array(vec![]), &Value::Array(vec![])));
        // Names of files are those of another folder.
        let elsewhere = fail(&p.join("trip"), &format!("caption d.png -o ../{name} --resume"), 2);
        assert!(elsewhere.contains("trip/a.png of row") && elsewhere.contains("not found"), "{elsewhere}");
        // What was made otherwise does not go into one file.
        let other = fail(p, &format!("caption trip -o {name} --resume --beam 2"), 2);
        assert!(other.contains("beam 5") && other.contains("beam 2"), "{other}");
        let resumed = format!("caption trip -o {name} --resume --start");
        let other = lucida(p, &resumed).arg("black black").output().unwrap();
        let said = stderr(&other);
        assert!(
            other.status.code() == Some(2) && said.contains("cannot be resumed") && said.contains("\"black black\""),
            "{said}"
        );
        if name == "said.jsonl" {
            let other = fail(p, "caption trip -o said.jsonl --resume --length-norm 0.5", 2);
            assert!(other.contains("--length-norm 0.6, not --length-norm 0.5"), "{other}");
        }
        assert!(fail(p, &format!("caption trip -o {name}"), 1).contains("--resume"));
        assert_eq!(fs::read(&path).unwrap(), before);
        succeed(p, &format!("caption trip/a.png -o {name} --force"));
        let count = |rows: &[u8]| rows.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(count(&fs::read(&path).unwrap()), count(&first));
    }
    // A file that somebody's editor left without its last line end is whole all the same.
    let line = fs::read_to_string(p.join("said.jsonl")).unwrap();
    fs::write(p.join("said.jsonl"), line.trim_end()).unwrap();
    succeed(p, "caption trip/d.png -o said.jsonl --resume");
    assert_eq!(lines(&fs::read_to_string(p.join("said.jsonl")).unwrap()).len(), 2);
    // To resume what is not there is to begin.
    succeed(p, "caption trip/d.png -o new.csv --resume");
    assert_eq!(records(&p.join("new.csv")).len(), 1);
}

#[test]
fn what_is_no_file_of_captions_is_not_resumed() {
    let dir = folder();
    let p = dir.path();
    for (name, content) in [
        ("a.jsonl", "{\"sentence\": \"mine\"}\n"),
        ("b.jsonl", "all of my notes"),
        ("c.jsonl", "{\"file\":\"x\",\"caption\":\"y\"}\n"),
        ("d.jsonl", "{\"file\":\"x\",\"size\":[1,2]}"),
        ("e.jsonl", "{\"file\": none of yours"),
        ("a.csv", "name,value\nx,1\n"),
        ("b.csv", "name,value"),
        ("c.csv", "file,caption,log_prob,beam,model\nx,a dog,often,5,m\n"),
        ("d.csv", "file,caption,log_prob,beam,model\nx,a dog\n"),
    ] {
        fs::write(p.join(name), content).unwrap();
        let said = fail(p, &format!("caption trip -o {name} --resume"), 1);
        assert!(said.contains(name) && said.contains("cannot be resumed"), "{said}");
        assert_eq!(fs::read_to_string(p.join(name)).unwrap(), content);
    }
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_keeps_its_rows() {
    let dir = TempDir::new().unwrap();
    let p = dir.path();
    fs::create_dir(p.join("trip")).unwrap();
    for name in 0..14 {
        picture(640, 480, false).save(p.join(format!("trip/{name:02}.png"))).unwrap();
    }
    let mut child = lucida(p, "caption trip -o said.jsonl").stderr(Stdio::piped()).spawn().unwrap();
    let begun = || fs::metadata(p.join("said.jsonl")).is_ok_and(|file| file.len() > 0);
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "it has ended before it began");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let (status, took) = crate::files::interrupt(child);
    println!("stopping took {took:?}");
    assert_eq!(status, Some(130));
    let rows = lines(&fs::read_to_string(p.join("said.jsonl")).unwrap());
    assert!((1..14).contains(&rows.len()), "{} rows", rows.len());
    assert_eq!(names(p), ["said.jsonl", "trip"]);
    let some = "trip/00.png trip/01.png trip/02.png trip/03.png";
    succeed(p, &format!("caption {some} -o said.jsonl --resume"));
    let resumed = lines(&fs::read_to_string(p.join("said.jsonl")).unwrap());
    assert_eq!(resumed[..rows.len()], rows[..]);
    assert_eq!(resumed.len(), rows.len().max(4));
}

#[test]
#[cfg(unix)]
fn a_file_that_is_replaced_stays_until_the_end() {
    let dir = TempDir::new().unwrap();
    let p = dir.path();
    fs::create_dir(p.join("trip")).unwrap();
    for name in 0..14 {
        picture(640, 480, false).save(p.join(format!("trip/{name:02}.png"))).unwrap();
    }
    fs::write(p.join("said.jsonl"), "mine").unwrap();
    let part = p.join("said.part.jsonl");
    let mut child = lucida(p, "caption trip -o said.jsonl --force").stderr(Stdio::piped()).spawn().unwrap();
    while !fs::metadata(&part).is_ok_and(|file| file.len() > 0) {
        assert!(child.try_wait().unwrap().is_none(), "it has ended before it began");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(crate::files::interrupt(child).0, Some(130));
    assert_eq!(fs::read(p.join("said.jsonl")).unwrap(), b"mine");
    assert!(!lines(&fs::read_to_string(&part).unwrap()).is_empty());
    // Those rows are not lost unseen either.
    assert!(fail(p, "caption trip/00.png -o said.jsonl --force", 1).contains("said.part.jsonl"));
    succeed(p, "caption trip/13.png -o said.part.jsonl --resume");
    assert_eq!(lines(&fs::read_to_string(&part).unwrap()).last().unwrap().0, "trip/13.png");
    fs::remove_file(&part).unwrap();
    // Nothing was made, nothing is replaced.
    fail(p, "caption missing.png -o said.jsonl --force", 1);
    assert_eq!(fs::read(p.join("said.jsonl")).unwrap(), b"mine");
    succeed(p, "caption trip/00.png -o said.jsonl --force");
    assert_eq!(lines(&fs::read_to_string(p.join("said.jsonl")).unwrap()).len(), 1);
    assert_eq!(names(p), ["said.jsonl", "trip"]);
}

/// What no text can hold is told from other names all the same.
#[test]
#[cfg(target_os = "linux")]
fn names_that_are_no_text_are_resumed() {
    use std::os::unix::ffi::OsStrExt;
    let dir = TempDir::new().unwrap();
    let p = dir.path();
    fs::create_dir(p.join("trip")).unwrap();
    let name = p.join("trip").join(std::ffi::OsStr::from_bytes(b"caf\xe9.png"));
    if picture(40, 32, false).save(&name).is_err() {
        eprintln!("SKIPPED: this file system wants names to be text");
        return;
    }
    for _ in 0..2 {
        succeed(p, "caption trip -o said.csv --resume");
        assert_eq!(records(&p.join("said.csv")).len(), 1);
    }
}
