//! Rules of `[backend.launch]`: there is a program to start, and no secret stands in what will be recorded.

use super::check::Check;
use super::check_openai::is_variable;
use super::openai::Launch;

/// Parts of a variable's name that tell of a secret.
const SECRET: [&str; 11] = [
    "KEY",
    "KEYS",
    "APIKEY",
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "CREDENTIALS",
    "PAT",
];
/// Flags of servers that are followed by a secret.
const FLAGS: [&str; 6] = ["api-key", "api-keys", "token", "hft", "password", "secret"];
/// Ends of such flags' names.
const FLAG_ENDS: [&str; 7] =
    ["-api-key", "-api-keys", "-auth-token", "-access-token", "-password", "-secret", "hf-token"];

/// Whether a variable of this name holds a secret, as far as names tell.
pub fn names_a_secret(name: &str) -> bool {
    name.to_ascii_uppercase().split('_').any(|part| SECRET.contains(&part))
}

/// Whether an argument is, or begins, the handing over of a secret. `--api-key-file FILE` does not.
fn hands_over_a_secret(argument: &str) -> bool {
    let Some(flag) = argument.strip_prefix('-') else { return false };
    let name = flag.trim_start_matches('-').split('=').next().unwrap_or_default();
    let name = name.to_ascii_lowercase().replace('_', "-");
    FLAGS.contains(&name.as_str()) || FLAG_ENDS.iter().any(|end| name.ends_with(end))
}

/// Checks them.
pub(super) fn check_launch(launch: &Launch, check: &mut Check) {
    let program = launch.command.first();
    check.need(program.is_some_and(|p| !p.trim().is_empty()), "backend.launch.command", || {
        "must hold the program to start, and its arguments".into()
    });
    let command = launch.command.iter().enumerate().map(|(i, argument)| ("command", i, argument));
    let args = launch.args.iter().enumerate().map(|(i, argument)| ("args", i, argument));
    for (list, i, argument) in command.chain(args) {
        let key = format!("backend.launch.{list}.{i}");
        check.need(!argument.contains('\0'), &key, || "must not hold a zero byte".into());
        check.need(!hands_over_a_secret(argument), &key, || {
            "a key must not stand in a profile, which is recorded, nor in a command, which everybody on the machine \
             can list; hand it to the server by a variable of its environment, with backend.launch.env_from"
                .into()
        });
    }
    for (name, value) in &launch.env {
        let key = format!("backend.launch.env.{name}");
        check.need(is_variable(name), &key, || "is no name of an environment variable".into());
        check.need(!value.contains('\0'), &key, || "must not hold a zero byte".into());
        check.need(!names_a_secret(name), &key, || {
            format!(
                "looks like a secret, which must not stand in a profile that is recorded; put it into an environment \
                 variable and name that: env_from = {{ {name} = \"{name}\" }}"
            )
        });
    }
    for (name, from) in &launch.env_from {
        let key = format!("backend.launch.env_from.{name}");
        check.need(is_variable(name), &key, || "is no name of an environment variable".into());
        check.need(is_variable(from), &key, || {
            "must be the NAME of an environment variable of ours, never its value".into()
        });
        check.need(!launch.env.contains_key(name), &key, || "is set by backend.launch.env, too".into());
    }
    check.time(Some(launch.timeout), "backend.launch.timeout");
    if let Some(log) = &launch.log {
        check.pattern(log, "backend.launch.log");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_tell_of_secrets_are_told_from_others() {
        for secret in ["HF_TOKEN", "VLLM_API_KEY", "AWS_SECRET_ACCESS_KEY", "db_password", "GITHUB_PAT"] {
            assert!(names_a_secret(secret), "{secret}");
        }
        for plain in ["TOKENIZERS_PARALLELISM", "CUDA_VISIBLE_DEVICES", "KEYBOARD", "PATH", "MONKEY"] {
            assert!(!names_a_secret(plain), "{plain}");
        }
    }

    #[test]
    fn flags_that_hand_over_secrets_are_told_from_others() {
        for secret in ["--api-key", "--api_key=abc", "--hf-token", "-hft", "--admin-api-key", "--api-keys"] {
            assert!(hands_over_a_secret(secret), "{secret}");
        }
        for plain in [
            "--api-key-file",
            "--max-num-batched-tokens",
            "--skip-tokenizer-init",
            "api-key",
            "--ssl-keyfile",
        ] {
            assert!(!hands_over_a_secret(plain), "{plain}");
        }
    }
}
