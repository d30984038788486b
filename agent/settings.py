"""Every setting of FuncGemma with its default, in one class.

A value comes from, in this order: the environment (`FUNCGEMMA_…`), a `.env` file, `funcgemma.toml` in the project's
folder, and the default below.
"""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout: `mosquitto.conf` and `data/` lie here."""


class Settings(BaseSettings):
    """All settings; each can be set as `FUNCGEMMA_<NAME>` in the environment."""

    model_config = SettingsConfigDict(
        env_prefix="FUNCGEMMA_",
        env_file=PROJECT / ".env",
        toml_file=PROJECT / "funcgemma.toml",
        extra="ignore",
        frozen=True,
    )

    home: Path = Field(PROJECT / "data" / "run", description="folder with all state of this installation")
    lang: Literal["ja", "en"] | None = Field(None, description="language of replies where the turn does not tell")
    debug: bool = Field(False, description="stack traces and debug logs")

    # ---- bus
    topic_root: str = Field("fg/v1", description="what every topic starts with")
    host: str = Field("127.0.0.1", description="the broker's address")
    port: int = Field(18830, description="the broker's port")
    external_broker: bool = Field(False, description="use a broker that runs already; `funcgemma up` starts none")
    broker_url: str | None = Field(None, repr=False, description="mqtt[s]://name:secret@host:port; overrides the rest")
    tls: bool = Field(False, description="TLS to the broker, our own too: `funcgemma certify` makes its certificate")
    tls_ca: Path | None = Field(None, description="certificate authority to trust, PEM; our own where there is one")
    tls_cert: Path | None = Field(None, description="certificate and key to show to a broker elsewhere, one PEM file")
    tls_clients: bool = Field(False, description="our own broker lets in only who shows a certificate of ours")
    keepalive_s: int = Field(15, description="MQTT keep-alive, seconds")
    away_s: float = Field(
        15.0, description="a worker that hangs is ended, and one that stays away is done without, after this"
    )
    session_expiry_s: int = Field(7 * 86400, description="how long the broker keeps the messages of an absent worker")
    mosquitto: Path | None = Field(None, description="mosquitto program; looked for where not given")

    # ---- limits
    max_text: int = Field(8000, description="longest turn, characters")
    max_packet: int = Field(4 * 1024 * 1024, description="largest packet on the bus, bytes")
    max_card: int = Field(64 * 1024, description="largest card, status or notice, bytes")
    max_result: int = Field(64 * 1024, description="most that a function's result may say, bytes")
    max_functions: int = Field(64, description="functions that there may be credentials for")
    max_rate: float = Field(300.0, description="turns a second that one client may send, with a burst of two seconds'")
    max_turns: int = Field(64, description="turns of one client that may wait for their finals at once")
    max_conversations: int = Field(50, description="conversations of one client with such turns")
    concurrency: int = Field(64, description="messages that a worker handles at once")

    # ---- a turn's life
    say_repeat_s: float = Field(2.0, description="a client repeats `say` after this while nothing is accepted")
    resend_s: float = Field(10.0, description="a turn without progress is sent again after this")
    reply_s: float = Field(180.0, description="the same while a reply is being generated")
    max_attempts: int = Field(3, description="how often a turn is sent again before it is given up")
    max_open: int = Field(256, description="turns on their way at once; the others wait in the journal")
    serve_grace_s: float = Field(3.0, description="how long a call waits for the absent worker of its function")
    history_messages: int = Field(6, description="messages of context that a turn carries")
    journal_sync: Literal["full", "normal"] = Field("full", description="fsync on each commit (full) or not (normal)")

    # ---- routing
    router: Literal["auto", "embedded", "functiongemma", "cascade", "peft"] = Field(
        "auto",
        description="which router decides; auto: the cascade where Ollama and its model are there, else embedded",
    )
    cases: Path = Field(PROJECT / "data" / "test", description="labelled cases that the embedded router learns from")
    router_models: Path = Field(PROJECT / "data" / "run" / "router", description="what the embedded router has learned")
    threshold: float = Field(0.5, description="least confidence for a call, 0 to 1")
    router_model: str = Field("functiongemma", description="the router's model on Ollama")
    router_mode: Literal["auto", "inline", "tools", "raw"] = Field(
        "auto", description="how FunctionGemma is asked through Ollama; auto: what a probe finds to be answered well"
    )
    router_s: float = Field(
        4.0, description="a turn's route from a model may take this long, then the embedded one stands"
    )
    shortlist: int = Field(3, description="functions that the cascade lets FunctionGemma choose from")
    peft_base: str = Field(
        "google/functiongemma-270m-it", description="base model of the peft router: folder or hub name"
    )
    peft_adapter: Path | None = Field(None, description="folder of a LoRA adapter for the peft router")
    peft_device: Literal["auto", "cuda", "mps", "cpu"] = Field("auto", description="where the peft router computes")
    peft_spans: bool = Field(True, description="hold free text that the peft router fills in to spans of the dialogue")

    # ---- models on Ollama
    ollama_url: str = Field("http://127.0.0.1:11434", description="where Ollama listens")
    chat_model: str = Field("gemma3:4b", description="the model that replies")
    data_model: str = Field("qwen2.5:7b", description="the model that writes labelled cases")
    num_ctx: int = Field(4096, description="context of the models, tokens; changing it makes Ollama load them anew")
    keep_alive: str = Field("30m", description="how long Ollama keeps a model in memory")
    look_s: float = Field(5.0, description="how often workers look whether Ollama and its models are there")
    first_token_s: float = Field(
        120.0, description="longest wait for a reply's first token: the model may have to load"
    )
    next_token_s: float = Field(30.0, description="longest wait for each further token")

    # ---- replies
    replier: Literal["auto", "offline"] = Field(
        "auto", description="auto: the chat model where it is there, else offline"
    )
    reply_tokens: int = Field(512, description="longest reply of the chat model, tokens")
    chunk_chars: int = Field(60, description="characters in a chunk of an offline reply")

    # ---- functions
    function_s: float = Field(20.0, description="longest run of a function")
    offline: bool = Field(False, description="functions use no network")
    http_timeout_s: float = Field(4.0, description="one request to a web service, seconds")
    http_retries: int = Field(1, description="repeats of a failed request")
    http_cache_s: float = Field(900.0, description="how long an answer of a web service is kept")
    http_offline_s: float = Field(60.0, description="how long an unreachable service is left alone")
    open_meteo_url: str = Field("https://api.open-meteo.com", description="weather forecasts")
    open_meteo_geocoding_url: str = Field("https://geocoding-api.open-meteo.com", description="places by name")
    wikipedia_url: str = Field("https://{lang}.wikipedia.org", description="encyclopedia; {lang} is ja or en")
    wikivoyage_url: str = Field("https://{lang}.wikivoyage.org", description="travel guide; {lang} is ja or en")
    wikidata_url: str = Field("https://www.wikidata.org", description="facts about people")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - not used here
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Puts the TOML file behind the environment."""
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
