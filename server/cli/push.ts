/** `selvedge push`: makes a version of a model from an .onnx file or a folder. */
import { type Command, Option } from 'commander'
import { SelvedgeError } from '../../runtime/errors.ts'
import { openContext } from './context.ts'
import { collectTag, parseList, parseName } from './names.ts'
import { renderBytes } from './table.ts'
import { type PushedVersion, type PushOptions, pushVersion } from './version/push.ts'
import { findLacks, renderLacks, renderSignature } from './version/summary.ts'

interface Flags extends Omit<PushOptions, 'tags'> {
  tag?: Record<string, string>
}

export function addPush(program: Command): void {
  program
    .command('push')
    .description('Make a version of a model; the same content pushed again stays the same version.')
    .argument('<model>', 'name, such as housing', parseName)
    .argument('<path>', 'an .onnx file, or a folder with one and selvedge.json, golden.json, profile.json')
    .option('--baseline <train.csv>', 'rows that it was trained on: what drift is measured against')
    .option('--outcome <column>', 'column of the baseline that holds what became true')
    .addOption(
      new Option(
        '--features <a,b,c>',
        'columns in the order of the input; needed where the baseline has more numeric columns than the input takes',
      ).argParser(parseList),
    )
    .option('--tag <key=value>', 'metadata; may be repeated', collectTag)
    .option('--why <text>', 'why this version was made')
    .option('--description <selvedge.json>', 'features, classes and variants; what is left out is read from the model')
    .option('--golden <golden.json>', 'inputs with the outputs that must come out')
    .action(async (model: string, path: string, _, command: Command) => {
      const context = openContext<Flags>(command)
      const { tag: tags = {}, ...options } = context.options
      if (options.outcome !== undefined && options.baseline === undefined) {
        throw new SelvedgeError('USAGE', '--outcome names a column of --baseline, which is missing')
      }
      const pushed = await pushVersion(context, model, path, { ...options, tags })
      const has = { profile: pushed.hasProfile, golden: pushed.hasGolden }
      const lacks = findLacks(pushed.description, has, `selvedge push ${model} ${path}`)
      context.output.result({ ...pushed, lacks }, () => renderPushed(pushed) + renderLacks(lacks))
    })
}

function renderPushed(pushed: PushedVersion): string {
  const { model, version, registered, sentBytes, description, remarks } = pushed
  const reference = `${model}@${version}`
  const done = registered
    ? `${reference} is registered; ${renderBytes(sentBytes)} sent.`
    : `${reference} has this content already; ${sentBytes === 0 ? 'nothing' : renderBytes(sentBytes)} was sent.`
  const notes = remarks.map((remark) => `${remark}\n`).join('')
  return `${renderSignature(description)}\n${done}\n${notes}Serve it: selvedge deploy <endpoint>/<deployment> --model ${reference}\n`
}
