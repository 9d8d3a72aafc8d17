// Convert an AsyncAPI document (JSON on stdin) to TypeScript with Modelina. Prints the name and the text of each type.
const { TypeScriptGenerator } = require("@asyncapi/modelina");

async function main() {
  const document = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const generator = new TypeScriptGenerator({ modelType: "interface", enumType: "union", rawPropertyNames: true });
  const models = await generator.generate(document);
  process.stdout.write(JSON.stringify(models.map((model) => [model.modelName, model.result])));
}

main();
