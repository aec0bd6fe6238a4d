/** Addresses of lines: WebSocket URLs, and nothing else. */

import { LineAddressError } from "./errors.js";

export const ADDRESS_CHARS_MAX = 512;
const SHOWN_CHARS_MAX = 80;

/** The URL of a line, or LineAddressError. */
export function lineAddress(text: string): URL {
  // Whoever wrote it may be a stranger, and what is shown goes to a terminal.
  const printable = text.slice(0, SHOWN_CHARS_MAX).replace(/[^\x20-\x7e]/g, "?");
  const shown = text.length > SHOWN_CHARS_MAX ? `${printable}...` : printable;
  if (text.length > ADDRESS_CHARS_MAX) throw new LineAddressError(`"${shown}" is too long for an address.`);
  if (!/^wss?:\/\//i.test(text)) throw new LineAddressError(`"${shown}" is not an address of a line.`);
  // What a URL parser would silently repair or leave out is a slip of whoever wrote it.
  const isPrintable = /^[\x21-\x7e]*$/.test(text);
  if (!isPrintable || !URL.canParse(text)) throw new LineAddressError(`"${shown}" is not an address.`);
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    throw new LineAddressError("The address has a name or a password in it, and a line knows neither.");
  }
  if (url.hash !== "" || text.includes("#")) throw new LineAddressError(`"${shown}" points into a page with "#".`);
  return url;
}
