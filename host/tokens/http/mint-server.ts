/** An issuer over HTTP, for sellers, and for buyers who are on line. Who carries a message is of no matter: nobody is asked who he is. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { Fields } from "../../codec/read.js";
import type { ServerPlace } from "../../servers/bank-server.js";
import { systemTimers, type Timers } from "../../services/clock.js";
import type { TokenErrorCode } from "../errors.js";
import { encodeBuyerPurse, encodeIssued, encodeRedemption, encodeRefund, encodeWaiting } from "../messages/answers.js";
import { legibly } from "../mint/refusals.js";
import type { Issuer } from "../parties.js";
import { readBody, sendJson, sendRefusal } from "./bodies.js";
import { HttpServer } from "./http-server.js";
import { MINT_PATHS } from "./mint-paths.js";

const LIMITS = {
  head_ms_max: 5_000,
  /** The largest request is a purse's tokens. */
  request_ms_max: 60_000,
  /** Longer than an issuer waits for a seller, and than a dozen of the largest purses take to be made. */
  silence_ms_max: 120_000,
  connections_max: 256,
};
/** How long an answer may take to be read, however slowly that is done: as long as a client waits for it. */
const LEAVING_MS_MAX = 300_000;
const BUSY = "Too much is on its way at once. Whatever was done is done once at most: ask the same again later.";
/** A sealed request or close, with the word of who forwards it. */
const MESSAGE_BYTES_MAX = 4_096;
/** All tokens of the largest purse: 32 bytes each, and where they are. */
const TOKENS_BYTES_MAX = 40 * 1024 * 1024;
/** What may be on its way at one moment, from everybody and to everybody together. */
const TRAVELLING_BYTES_MAX = 256 * 1024 * 1024;

export interface MintServerOptions extends ServerPlace {
  /** Of requests that come and of answers that go, all together. */
  readonly travellingBytes_max?: number;
  readonly timers?: Timers;
}

interface Route {
  readonly bytes_max: number;
  readonly answer: (body: Uint8Array) => Promise<Uint8Array>;
}

export class MintServer {
  readonly #server: HttpServer;

  private constructor(server: HttpServer) {
    this.#server = server;
  }

  static async open(issuer: Issuer, options: MintServerOptions = {}): Promise<MintServer> {
    const routes = new Map(Object.entries(routesOf(issuer)));
    const traffic = new Traffic(options);
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      const [path] = (request.url ?? "").split("?");
      const route = routes.get(path ?? "");
      const announced = Number(request.headers["content-length"]);
      const most = route?.bytes_max ?? 0;
      const bytes = Number.isSafeInteger(announced) ? Math.min(announced, most) : most;
      if (route === undefined) refuse(request, response, 404, "There is nothing here.");
      else if (request.method !== "POST") refuse(request, response, 405, "Only POST.");
      else if (!traffic.hasRoom(bytes)) refuse(request, response, 503, BUSY, "unreachable");
      else void traffic.carry(bytes, () => serve(route, request, response, traffic));
    };
    return new MintServer(await HttpServer.open(options, LIMITS, listener));
  }

  /** Without a path. */
  get url(): string {
    return this.#server.url;
  }

  close(): Promise<void> {
    return this.#server.close();
  }
}

function routesOf(issuer: Issuer): Record<string, Route> {
  return {
    [MINT_PATHS.forward]: {
      bytes_max: MESSAGE_BYTES_MAX,
      answer: async (body) => {
        const [word, sealed] = readTwo(body, "forwarded request", MESSAGE_BYTES_MAX);
        return encodeIssued(await issuer.forward(word, sealed));
      },
    },
    [MINT_PATHS.request]: {
      bytes_max: MESSAGE_BYTES_MAX,
      answer: async (body) => encodeBuyerPurse(await issuer.request(body)),
    },
    [MINT_PATHS.redeem]: {
      bytes_max: TOKENS_BYTES_MAX,
      answer: async (body) => encodeRedemption(await issuer.redeem(body)),
    },
    [MINT_PATHS.returned]: {
      bytes_max: TOKENS_BYTES_MAX,
      answer: async (body) => encodeRedemption(await issuer.returned(body)),
    },
    [MINT_PATHS.collect]: {
      bytes_max: MESSAGE_BYTES_MAX,
      answer: async (body) => encodeWaiting(await issuer.collect(body)),
    },
    [MINT_PATHS.refund]: {
      bytes_max: MESSAGE_BYTES_MAX,
      answer: async (body) => encodeRefund(await issuer.refund(body)),
    },
    [MINT_PATHS.refundHalves]: {
      bytes_max: TOKENS_BYTES_MAX,
      answer: async (body) => {
        const [close, halves] = readTwo(body, "close and halves", TOKENS_BYTES_MAX);
        return encodeRefund(await issuer.refund(close, halves));
      },
    },
  };
}

function readTwo(body: Uint8Array, name: string, bytes_max: number): [Uint8Array, Uint8Array] {
  return legibly(() => {
    const fields = Fields.decode(body, name, 2);
    return [fields.bytes("first message", 1, MESSAGE_BYTES_MAX), fields.bytes("second message", 1, bytes_max)];
  });
}

/** What is on its way. An answer counts until it has left: whoever reads slowly keeps it in memory. */
class Traffic {
  readonly #bytes_max: number;
  readonly #timers: Timers;
  #bytes = 0;

  constructor({ travellingBytes_max = TRAVELLING_BYTES_MAX, timers = systemTimers }: MintServerOptions) {
    this.#bytes_max = travellingBytes_max;
    this.#timers = timers;
  }

  /** Where nothing else is on its way there is room for anything. */
  hasRoom(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#bytes_max;
  }

  async carry(bytes: number, work: () => Promise<void>): Promise<void> {
    this.#bytes += bytes;
    await work().finally(() => {
      this.#bytes -= bytes;
    });
  }

  /** Resolves when it has left, or nobody is there any more to read it. */
  async send(response: ServerResponse, answer: Uint8Array): Promise<void> {
    if (!this.hasRoom(answer.length)) return sendJson(response, 503, { code: "unreachable", message: BUSY });
    await this.carry(answer.length, () => this.#sent(response, answer));
  }

  #sent(response: ServerResponse, answer: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      if (response.destroyed) return resolve();
      const cancel = this.#timers.after(LEAVING_MS_MAX, () => response.destroy());
      response.once("close", () => {
        cancel();
        resolve();
      });
      response.writeHead(200, { "content-type": "application/cbor", "cache-control": "no-store" });
      response.end(answer);
    });
  }
}

async function serve(
  route: Route,
  request: IncomingMessage,
  response: ServerResponse,
  traffic: Traffic,
): Promise<void> {
  try {
    await traffic.send(response, await route.answer(await readBody(request, route.bytes_max)));
  } catch (error) {
    sendRefusal(response, error);
  }
}

/** What is not read is not waited for: the connection ends with the answer. */
function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  message: string,
  code: TokenErrorCode = "malformed",
): void {
  sendJson(response, status, { code, message }, { connection: "close" });
  response.once("finish", () => request.destroy());
}
