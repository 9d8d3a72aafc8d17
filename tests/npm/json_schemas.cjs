// JSON Schemas (a list, on stdin) to TypeScript by json-schema-to-typescript: the root's title names its type.
const { compile } = require("json-schema-to-typescript");

async function main() {
  const schemas = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const texts = [];
  for (const schema of schemas) {
    texts.push(await compile(schema, schema.title, { bannerComment: "", additionalProperties: false, format: false }));
  }
  process.stdout.write(JSON.stringify(texts));
}

main();
