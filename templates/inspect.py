"""Looks at a configuration as Synapse does when it starts, up to the point where it would listen.

Usage: python -c <this> check|probe <directory>

`check` needs no network. It prints what the files say, merged as Synapse merges them, and reads
everything that Synapse reads when it starts. `probe` connects to the database, read-only, and to the
authentication service. Each prints one line of JSON at last; a mistake is told as Synapse tells it, on
standard error, and ends with 1. No value of a setting that may be a secret is printed.
"""

import json
import logging
import os
import sys
import urllib.request

import yaml

# The file with the connection that the plugin has written.
OUR_DATABASE = "20-database.yaml"
# The file with the SMTP server that a command of the plugin has written.
OUR_EMAIL = "30-email.yaml"
# The arguments of a connection that say where it leads.
PLACE = ("user", "password", "dbname", "host", "hostaddr", "port", "service", "dsn", "passfile")
# The settings of which `check` prints the value: none of them is a secret.
PRINTED = (
    "server_name",
    "public_baseurl",
    "listeners",
    "signing_key_path",
    "registration_shared_secret_path",
    "macaroon_secret_key_path",
    "form_secret_path",
    "media_store_path",
    "daemonize",
    "worker_app",
    "start_pushers",
    "send_federation",
    "notify_appservices",
    "update_user_directory",
    "enable_media_repo",
    "enable_metrics",
    "federation_domain_whitelist",
)

# Sections whose settings Synapse asks for only when it uses them.
TAKEN_LATER = ("database", "databases", "extra_well_known_client_content", "policy")


def files_of(directory):
    names = sorted(name for name in os.listdir(directory) if name.endswith(".yaml"))
    paths = [os.path.join(directory, name) for name in names]
    return [path for path in paths if os.path.isfile(path)]


def keys_of(path):
    """Each top-level key of a file with the lines on which it stands."""
    with open(path) as stream:
        root = yaml.compose(stream, Loader=yaml.SafeLoader)
    lines = {}
    if isinstance(root, yaml.MappingNode):
        for key, _ in root.value:
            lines.setdefault(str(key.value), []).append(key.start_mark.line + 1)
    return lines


def section(merged, key):
    """A section of the settings; nothing if it has another form, which Synapse then rejects."""
    value = merged.get(key)
    return value if isinstance(value, dict) else {}


def connection(database):
    args = dict(section(database, "args"))
    if "database" in args:
        args["dbname"] = args.pop("database")
    return database.get("name"), {key: str(args[key]) for key in PLACE if key in args}


def missing(merged):
    """The files that a setting names and that are not there, where old configurations name some."""
    registrations = merged.get("app_service_config_files")
    named = [("log_config", merged.get("log_config"))]
    if isinstance(registrations, list):
        named += [("app_service_config_files", path) for path in registrations]
    return [
        {"key": key, "path": path}
        for key, path in named
        if isinstance(path, str) and not os.path.exists(path)
    ]


def files_say(directory):
    """What stands where, without Synapse's own judgement."""
    places, merged, contents = {}, {}, {}
    for path in files_of(directory):
        name = os.path.basename(path)
        with open(path) as stream:
            content = yaml.safe_load(stream)
        if not isinstance(content, dict):
            continue
        contents[name] = content
        merged.update(content)
        lines = keys_of(path)
        for key in map(str, content):
            # What comes by a merge key (`<<`) stands where that does.
            places[key] = {"file": name, "lines": lines.get(key) or lines.get("<<") or [1]}
    ours = section(contents.get(OUR_DATABASE, {}), "database")
    database = section(merged, "database")
    return {
        "places": places,
        "values": {key: merged[key] for key in PRINTED if key in merged},
        "database": str(database.get("name")),
        "same_database": connection(database) == connection(ours),
        "email_file": "email" in contents.get(OUR_EMAIL, {}),
        "missing": missing(merged),
        "redis": bool(section(merged, "redis").get("enabled")),
    }


def registrations(config):
    from synapse.config.appservice import load_appservices

    load_appservices(config.server.server_name, config.appservice.app_service_config_files)


def resources(config):
    from synapse.config._base import ConfigError
    from synapse.util.module_loader import load_module

    taken = set()
    for number, listener in enumerate(config.server.listeners):
        options = getattr(listener, "http_options", None)
        names = [name for one in getattr(options, "resources", ()) for name in one.names]
        if "consent" in names and config.consent.user_consent_version is None:
            raise ConfigError("the resource consent needs the setting user_consent", ("listeners",))
        for address in getattr(listener, "bind_addresses", ()):
            if (address, listener.port) in taken:
                raise ConfigError("two listeners on port %s" % listener.port, ("listeners",))
            taken.add((address, listener.port))
        for path, module in (getattr(options, "additional_resources", None) or {}).items():
            load_module(module, ("listeners", str(number), "additional_resources", path))


def logs(config):
    import logging.config

    path = config.logging.log_config
    if not path:
        return
    with open(path, "rb") as stream:
        settings = yaml.safe_load(stream)
    if not isinstance(settings, dict):
        raise ValueError("%s has no settings" % path)
    # No handler is opened: its file, or the host that it sends to, is not for this container.
    for handler in section(settings, "handlers").values():
        kind = handler.get("class") if isinstance(handler, dict) else None
        if isinstance(kind, str):
            logging.config.DictConfigurator({"version": 1}).resolve(kind)
            kept = {key: handler[key] for key in ("formatter", "filters", "level") if key in handler}
            handler.clear()
            handler.update(kept, **{"class": "logging.NullHandler"})
    logging.config.dictConfig(settings)
    logging.disable()


def certificates(config):
    has_tls = getattr(config.server, "has_tls_listener", None)
    if has_tls and has_tls():
        config.tls.read_certificate_from_disk()


def open_registration(config):
    """Older versions refuse this only when they start."""
    from synapse.config._base import ConfigError

    registration = config.registration
    verified = (
        getattr(config.captcha, "enable_registration_captcha", False)
        or registration.registrations_require_3pid
        or registration.registration_requires_token
    )
    allowed = getattr(registration, "enable_registration_without_verification", True)
    if registration.enable_registration and not verified and not allowed:
        raise ConfigError(
            "open registration needs registration_requires_token, or another verification",
            ("enable_registration",),
        )


# What Synapse reads between its configuration and its first request, by the setting that leads there.
STARTS = {
    "app_service_config_files": registrations,
    "listeners": resources,
    "log_config": logs,
    "tls_private_key_path": certificates,
    "enable_registration": open_registration,
}


def named(error):
    kind = type(error)
    name = kind.__name__ if kind.__module__ == "builtins" else kind.__module__ + "." + kind.__name__
    return "%s: %s" % (name, error)


def starts(config):
    from synapse.config._base import ConfigError

    for key, read in STARTS.items():
        try:
            read(config)
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(named(error), (key,)) from error.__cause__


class Seen(dict):
    """A dictionary that knows which of its keys were asked for."""

    def __init__(self, content):
        super().__init__()
        self.seen = set()
        for key, value in content.items():
            dict.__setitem__(self, key, Seen(value) if isinstance(value, dict) else value)

    def get(self, key, default=None):
        self.seen.add(key)
        return dict.get(self, key, default)

    def __getitem__(self, key):
        self.seen.add(key)
        return dict.__getitem__(self, key)

    def __contains__(self, key):
        self.seen.add(key)
        return dict.__contains__(self, key)

    def pop(self, key, *default):
        self.seen.add(key)
        return dict.pop(self, key, *default)

    def setdefault(self, key, default=None):
        self.seen.add(key)
        return dict.setdefault(self, key, default)

    def all(self):
        self.seen.update(dict.keys(self))
        return self

    def items(self):
        return dict.items(self.all())

    def keys(self):
        return dict.keys(self.all())

    def values(self):
        return dict.values(self.all())

    def __iter__(self):
        return dict.__iter__(self.all())

    def unseen(self, path=""):
        # A section of which nothing was asked for was taken as a whole.
        if path and not self.seen:
            return
        for key in dict.keys(self):
            value = dict.__getitem__(self, key)
            if key not in self.seen:
                yield path + str(key)
            elif isinstance(value, Seen) and str(key) not in TAKEN_LATER:
                yield from value.unseen(path + str(key) + ".")


def unread(directory):
    """The settings that Synapse did not ask for: it does not know them, or they have no effect."""
    import glob

    import synapse.config._base as base
    from synapse.config.homeserver import HomeServerConfig

    read, roots = base.read_config_files, []

    def watched(paths):
        roots.append(Seen(read(paths)))
        return roots[-1]

    base.read_config_files = watched
    try:
        HomeServerConfig.load_config("", ["-c", directory])
    finally:
        base.read_config_files = read
    source = ""
    for path in glob.glob(os.path.join(os.path.dirname(base.__file__), "*.py")):
        with open(path) as stream:
            source += stream.read()

    def known(key):
        return any(quote + key.split(".")[-1] + quote in source for quote in "\"'")

    return [{"key": key, "known": known(key)} for root in roots for key in root.unseen()]


def settings_of(config):
    """What the other parts of the homeserver follow."""
    registration, server = config.registration, config.server
    client = dict(getattr(server, "extra_well_known_client_content", None) or {})
    if registration.default_identity_server:
        client["m.identity_server"] = {"base_url": registration.default_identity_server}
    return {
        # Without a media repository nothing is uploaded.
        "max_upload_size": getattr(config.media, "max_upload_size", 0),
        "registration": bool(registration.enable_registration),
        "email": bool(getattr(config.email, "can_verify_email", False)),
        "well_known_client": client,
    }


def check(directory):
    from synapse.config._base import ConfigError
    from synapse.config.homeserver import HomeServerConfig

    said = {}
    try:
        said = files_say(directory)
        config = HomeServerConfig.load_config("", ["-c", directory])
        starts(config)
        said["settings"] = settings_of(config)
    except ConfigError as error:
        said["error"] = [str(part) for part in error.path or []]
        while error is not None:
            print(getattr(error, "msg", None) or named(error), file=sys.stderr)
            error = error.__cause__
    except Exception as error:
        said["error"] = []
        print(named(error), file=sys.stderr)
    else:
        try:
            said["unread"] = unread(directory)
        except Exception as error:
            # Another version of Synapse may not let itself be watched.
            print("cannot list unknown settings: %s" % named(error), file=sys.stderr)
    print(json.dumps(said, default=str))
    sys.exit(1 if "error" in said else 0)


def ask_database(config):
    from synapse.storage.engines import create_engine
    from synapse.storage.schema import SCHEMA_VERSION

    for database in config.database.databases:
        engine = create_engine(database.config)
        args = {
            key: value
            for key, value in database.config.get("args", {}).items()
            if not key.startswith("cp_")
        }
        args.setdefault("connect_timeout", 15)
        link = engine.module.connect(**args)
        try:
            link.set_session(readonly=True)
            engine.check_database(link)
            with link.cursor() as cursor:
                cursor.execute("SELECT to_regclass('schema_compat_version')")
                if cursor.fetchone()[0] is None:
                    continue
                cursor.execute("SELECT compat_version FROM schema_compat_version")
                row = cursor.fetchone()
            if row and row[0] > SCHEMA_VERSION:
                raise ValueError("its tables are of a newer Synapse: schema %s" % row[0])
        finally:
            link.close()


def ask_authentication_service(config):
    service = getattr(config, "mas", None)
    if service is None or not service.enabled:
        return
    url = str(service.endpoint).rstrip("/") + "/.well-known/openid-configuration"
    # Some proxies in front refuse the name of Python's own client.
    request = urllib.request.Request(url, headers={"User-Agent": "Synapse"})
    with urllib.request.urlopen(request, timeout=15) as answer:
        if "issuer" not in json.load(answer):
            raise ValueError("%s names no issuer" % url)


def probe(directory):
    from synapse.config.homeserver import HomeServerConfig

    config = HomeServerConfig.load_config("", ["-c", directory])
    found = {}
    for name, ask in (
        ("database", ask_database),
        ("authentication_service", ask_authentication_service),
    ):
        try:
            ask(config)
            found[name] = None
        except Exception as error:
            found[name] = " ".join(named(error).split())
    print(json.dumps({"probe": found}))


# What goes wrong is told by the exception.
logging.lastResort = logging.NullHandler()
{"check": check, "probe": probe}[sys.argv[1]](sys.argv[2])
