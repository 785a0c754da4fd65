/** The text format of Prometheus, version 0.0.4. */

export interface Metric {
  name: string
  type: 'counter' | 'gauge'
  help: string
  samples: { labels?: Readonly<Record<string, string>>; count: number }[]
}

export const expositionType = 'text/plain; version=0.0.4; charset=utf-8'

export function encodeMetrics(metrics: readonly Metric[]): string {
  return metrics.map(encodeMetric).join('')
}

function encodeMetric({ name, type, help, samples }: Metric): string {
  const lines = samples.map(({ labels, count }) => `${name}${encodeLabels(labels ?? {})} ${count}\n`)
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

function encodeLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&')}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}
