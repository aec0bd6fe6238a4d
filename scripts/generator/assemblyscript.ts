/** Writes what applets import: `firmware/platform/imports.ts` and `firmware/platform/constants.ts`. */

import {
  KEY_KINDS,
  type Parameter,
  PLATFORM_ERRORS,
  PLATFORM_FUNCTIONS,
  PLATFORM_MODULE,
  PLATFORM_SIZES,
  type PlatformFunction,
} from "../../firmware/platform/interface.js";
import { camelCase, docComment, NOTICE, upperCase } from "./names.js";

function parameterText(parameter: Parameter): string[] {
  const name = camelCase(parameter.name);
  return parameter.kind === "u32" ? [`${name}: u32`] : [`${name}: usize`, `${name}Length: u32`];
}

function parameterDoc(parameter: Parameter): string {
  const exact = parameter.bytes === undefined ? "" : ` (${parameter.bytes} bytes)`;
  return `@param ${camelCase(parameter.name)} ${parameter.doc}${exact}`;
}

function functionText(declared: PlatformFunction): string {
  const tags = [...declared.parameters.map(parameterDoc), `@returns ${declared.result}`];
  const parameters = declared.parameters.flatMap(parameterText);
  const head = `export declare function ${camelCase(declared.name)}`;
  const oneLine = `${head}(${parameters.join(", ")}): i32;\n`;
  const declaration =
    oneLine.length <= 121 ? oneLine : `${head}(\n${parameters.map((text) => `  ${text},\n`).join("")}): i32;\n`;
  return `${docComment(declared.doc, "", tags)}@external("${PLATFORM_MODULE}", "${declared.name}")\n${declaration}`;
}

export function importsText(): string {
  return `// ${NOTICE}\n\n${PLATFORM_FUNCTIONS.map(functionText).join("\n")}`;
}

export function constantsText(): string {
  const line = (name: string, value: number, doc: string) => `/** ${doc} */\nexport const ${name}: i32 = ${value};\n`;
  const errors = PLATFORM_ERRORS.map(({ name, value, doc }) => line(`PLATFORM_${upperCase(name)}`, value, doc));
  const kinds = KEY_KINDS.map(({ name, value, doc }) => line(`KEY_KIND_${upperCase(name)}`, value, doc));
  const sizes = PLATFORM_SIZES.map(({ name, value, doc }) => line(name, value, doc));
  return `// ${NOTICE}\n\n${[...errors, ...kinds, ...sizes].join("")}`;
}
