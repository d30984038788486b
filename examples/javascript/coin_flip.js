// A function of FuncGemma in JavaScript, without any of FuncGemma's code: a card, calls, results.
//
//   funcgemma invite coins --function coin_flip      prints the URL of this worker's credential
//   npm install
//   FUNCGEMMA_BROKER_URL=mqtt://coins:SECRET@127.0.0.1:18830 node coin_flip.js
//
// The URL comes by the environment, since a command line is for everybody to see.

import { randomInt, randomUUID } from "node:crypto";
import mqtt from "mqtt";

const url = new URL(process.env.FUNCGEMMA_BROKER_URL);
const id = decodeURIComponent(url.username);
const root = "fg/v1";

const message = (fields) =>
  JSON.stringify({ id: randomUUID(), source: id, time: new Date().toISOString(), ...fields });
const status = (state) => message({ state, role: "function", details: { functions: ["coin_flip"] } });

const client = mqtt.connect(url.href, {
  protocolVersion: 5,
  clientId: id, // the broker knows each client by the name of its credential
  clean: false, // calls that come while this worker restarts wait for it
  properties: { sessionExpiryInterval: 3600 },
  will: { topic: `${root}/status/${id}`, payload: status("offline"), qos: 1, retain: true },
});

client.on("connect", async () => {
  await client.subscribeAsync(`${root}/call/coin_flip`, { qos: 1 });
  const card = {
    name: "coin_flip",
    description: "Flips a coin: heads or tails.",
    parameters: { type: "object", properties: {}, required: [] },
    examples: [
      { text: "flip a coin", arguments: {}, lang: "en" },
      { text: "heads or tails?", arguments: {}, lang: "en" },
      { text: "コインを投げて", arguments: {}, lang: "ja" },
      { text: "表か裏か決めて", arguments: {}, lang: "ja" },
    ],
    version: "1",
  };
  await client.publishAsync(`${root}/function/coin_flip`, message(card), { qos: 1, retain: true });
  await client.publishAsync(`${root}/status/${id}`, status("online"), { qos: 1, retain: true });
  console.log("coin_flip is ready");
});

client.on("message", (_topic, payload) => {
  const call = JSON.parse(payload);
  const heads = randomInt(2) === 0;
  const summary = call.lang === "ja" ? `${heads ? "表" : "裏"}です。` : `It's ${heads ? "heads" : "tails"}.`;
  const result = { call_id: call.call_id, function: call.function, status: "ok", data: { heads }, summary,
    error: null, context: call.context, took_ms: 0 };
  client.publish(call.reply_to, message(result), { qos: 1 });
});

client.on("error", (error) => {
  console.error(`coin_flip: ${error.message}`);
  process.exit(1);
});

process.on("SIGTERM", () => {
  client.publish(`${root}/status/${id}`, status("offline"), { qos: 1, retain: true }, () => client.end(() => process.exit(0)));
});
