/** An issuer over HTTP, for sellers, and for buyers who are on line. Who carries a message is of no matter: nobody is asked who he is. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Fields } from "../../codec/read.js";
import { LinePortError } from "../../communications/server.js";
import type { ServerPlace } from "../../servers/bank-server.js";
import { limitPerAddress } from "../../servers/directory-server.js";
import { encodeBuyerPurse, encodeIssued, encodeRedemption, encodeRefund, encodeWaiting } from "../messages/answers.js";
import type { Issuer } from "../parties.js";
import { legibly } from "../refusals.js";
import { readBody, sendJson, sendRefusal } from "./bodies.js";
import { MINT_PATHS } from "./mint-paths.js";

const HEAD_MS_MAX = 5_000;
/** A whole request: the largest is a purse's tokens. */
const REQUEST_MS_MAX = 60_000;
/** Nothing comes and nothing goes; longer than an issuer waits for a seller. */
const SILENCE_MS_MAX = 20_000;
const CHECK_MS = 1_000;
const CONNECTIONS_MAX = 256;
/** A sealed request or close, with the word of who forwards it. */
const MESSAGE_BYTES_MAX = 4_096;
/** All tokens of the largest purse: 32 bytes each, and where they are. */
const TOKENS_BYTES_MAX = 40 * 1024 * 1024;
/** What may be on its way at one moment, from everybody together. */
const ARRIVING_BYTES_MAX = 256 * 1024 * 1024;

interface Route {
  readonly bytes_max: number;
  readonly answer: (body: Uint8Array) => Promise<Uint8Array>;
}

export class MintServer {
  readonly #server: Server;
  /** Without a path. */
  readonly url: string;

  private constructor(server: Server, host: string) {
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    this.url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  }

  static async open(issuer: Issuer, { host = "127.0.0.1", port = 0 }: ServerPlace = {}): Promise<MintServer> {
    const routes = new Map(Object.entries(routesOf(issuer)));
    let arriving_bytes = 0;
    const limits = {
      headersTimeout: HEAD_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      connectionsCheckingInterval: CHECK_MS,
    };
    const server = createServer(limits, (request, response) => {
      const [path] = (request.url ?? "").split("?");
      const route = routes.get(path ?? "");
      const announced = Number(request.headers["content-length"]);
      const bytes = Number.isSafeInteger(announced) ? announced : (route?.bytes_max ?? 0);
      if (route === undefined) refuse(request, response, 404, "There is nothing here.");
      else if (request.method !== "POST") refuse(request, response, 405, "Only POST.");
      else if (bytes > route.bytes_max) refuse(request, response, 413, "That is longer than any such message.");
      else if (arriving_bytes + bytes > ARRIVING_BYTES_MAX) refuse(request, response, 503, "Too much comes at once.");
      else {
        arriving_bytes += bytes;
        void serve(route, request, response).finally(() => {
          arriving_bytes -= bytes;
        });
      }
    });
    server.maxConnections = CONNECTIONS_MAX;
    server.setTimeout(SILENCE_MS_MAX);
    limitPerAddress(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) =>
        reject(new LinePortError(`${host}:${port}`, error.code ?? error.message)),
      );
      server.listen(port, host, resolve);
    });
    return new MintServer(server, host);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
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

async function serve(route: Route, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const answer = await route.answer(await readBody(request, route.bytes_max));
    response.writeHead(200, { "content-type": "application/cbor", "cache-control": "no-store" });
    response.end(answer);
  } catch (error) {
    sendRefusal(response, error);
  }
}

/** What is not read is not waited for: the connection ends with the answer. */
function refuse(request: IncomingMessage, response: ServerResponse, status: number, message: string): void {
  sendJson(response, status, { code: "malformed", message }, { connection: "close" });
  response.once("finish", () => request.destroy());
}
