//! Command lines before and after.

use super::*;

fn command() -> Command {
    use clap::ArgAction;
    let valued = |long: &'static str, short| Arg::new(long).long(long).short(short);
    let publish = Command::new("pub")
        .disable_help_flag(true)
        .arg(valued("host", 'h'))
        .arg(valued("message", 'm'))
        .arg(valued("topic", 't'))
        .arg(valued("url", 'L'))
        .arg(valued("options", 'o'))
        .arg(Arg::new("debug").short('d').action(ArgAction::SetTrue));
    Command::new("burgee")
        .subcommand(publish)
        .subcommand(Command::new("serve"))
}

fn rewritten(line: &[&str]) -> Result<Vec<String>, String> {
    let mut args: Vec<OsString> = line.iter().map(OsString::from).collect();
    // No file of whoever runs the tests.
    args.extend(["-o".into(), "/dev/null".into()]);
    let done = arranged(&command(), by_name(args)).map_err(|failure| failure.to_string())?;
    Ok(done.into_iter().map(|arg| arg.into_string().expect("text")).collect())
}

#[test]
fn values_are_taken_whatever_they_look_like() {
    let done = rewritten(&[
        "burgee",
        "pub",
        "-m",
        "-h",
        "-d",
        "-h",
        "--help",
        "--host=x=y",
        "-dr",
        "--what",
    ]);
    let expected = [
        "burgee",
        "pub",
        "--message=-h",
        "-d",
        "--host=--help",
        "--host=x=y",
        "-dr",
        "--what",
    ];
    assert_eq!(done.expect("understood"), expected);
    // A value that is missing is clap's to complain of.
    assert_eq!(
        arranged(
            &command(),
            ["burgee", "pub", "--help", "-m"].map(OsString::from).to_vec()
        )
        .expect("left alone"),
        ["burgee", "pub", "--help", "-m"].map(OsString::from)
    );
}

#[test]
fn a_url_is_its_parts_at_its_place() {
    let done = rewritten(&["burgee", "pub", "-h", "a", "-L", "mqtt://u:p@b/t/u", "-h", "c"]);
    let expected = [
        "--host=a",
        "--host=b",
        "--port=1883",
        "--username=u",
        "--pw=p",
        "--topic=t/u",
        "--host=c",
    ];
    assert_eq!(done.expect("understood")[2..], expected);
    assert!(
        rewritten(&["burgee", "pub", "-L", "ftp://x"])
            .expect_err("refused")
            .contains("ftp://x")
    );
}

#[test]
fn a_later_url_takes_back_the_transport_of_an_earlier_one() {
    let later = rewritten(&["burgee", "pub", "-L", "wss://a/x", "-L", "unix:///s", "-L", "mqtt://b"]);
    let expected = ["--host=a", "--port=443", "--host=b", "--port=1883"];
    assert_eq!(later.expect("understood")[2..], expected);
}

#[test]
fn joined_values_are_values_of_every_option() {
    let done = rewritten(&["burgee", "pub", "-mx", "-Lmqtt://b/t", "--url=mqtt://c", "-m=y", "-dx"]);
    let expected = [
        "--message=x",
        "--host=b",
        "--port=1883",
        "--topic=t",
        "--host=c",
        "--port=1883",
        "--message=y",
        "-dx",
    ];
    assert_eq!(done.expect("understood")[2..], expected);
    let missing = ["burgee", "pub", "-o/no/such/file"].map(OsString::from).to_vec();
    let error = arranged(&command(), missing).expect_err("no such file");
    assert!(error.to_string().contains("/no/such/file"), "{error}");
}

#[test]
fn other_commands_are_left_alone_and_old_names_are_understood() {
    let other = ["burgee", "serve", "-L", "x"].map(OsString::from).to_vec();
    assert_eq!(arranged(&command(), other.clone()).expect("left alone"), other);
    let done = rewritten(&["/usr/bin/mosquitto_pub", "-d"]);
    assert_eq!(done.expect("understood"), ["/usr/bin/mosquitto_pub", "pub", "-d"]);
}

#[test]
fn what_we_cannot_do_is_refused_with_a_way_out() {
    for (name, way_out) in [("-D", "MQTT 5"), ("-x", "MQTT 5"), ("--psk", "--cafile"), ("-S", "-h")] {
        let error = rewritten(&["burgee", "pub", name, "x"]).expect_err(name);
        assert!(error.contains(name) && error.contains(way_out), "{error}");
    }
    // As a value it is nobody's business.
    assert!(rewritten(&["burgee", "pub", "-m", "-D"]).is_ok());
}
