/** The text format of Prometheus, version 0.0.4. */

export type Labels = Readonly<Record<string, string>>

export interface Metric {
  name: string
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  samples: readonly Sample[]
}

export type Sample = { labels?: Labels; count: number } | { labels?: Labels; histogram: Histogram }

/** Counts of one set of labels; those of two processes with the same edges are added cell by cell. */
export interface Histogram {
  /** Upper edges, rising, the edge itself included. */
  edges: readonly number[]
  /** One cell an edge, and one for what is above. */
  cells: number[]
  sum: number
}

export const expositionType = 'text/plain; version=0.0.4; charset=utf-8'

export function openHistogram(edges: readonly number[]): Histogram {
  return { edges, cells: new Array(edges.length + 1).fill(0), sum: 0 }
}

export function observe(histogram: Histogram, value: number): void {
  const place = histogram.edges.findIndex((edge) => value <= edge)
  const cell = place < 0 ? histogram.edges.length : place
  histogram.cells[cell] = (histogram.cells[cell] ?? 0) + 1
  histogram.sum += value
}

export function encodeMetrics(metrics: readonly Metric[]): string {
  return metrics.map(encodeMetric).join('')
}

function encodeMetric({ name, type, help, samples }: Metric): string {
  const lines = samples.map((sample) =>
    'histogram' in sample
      ? encodeHistogram(name, sample.labels ?? {}, sample.histogram)
      : encodeLine(name, sample.labels ?? {}, sample.count),
  )
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

function encodeHistogram(name: string, labels: Labels, { edges, cells, sum }: Histogram): string {
  let count = 0
  const buckets = cells.map((cell, i) => {
    count += cell
    return encodeLine(`${name}_bucket`, { ...labels, le: String(edges[i] ?? '+Inf') }, count)
  })
  return [...buckets, encodeLine(`${name}_sum`, labels, sum), encodeLine(`${name}_count`, labels, count)].join('')
}

function encodeLine(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text.replace(/[\\"]/g, '\\$&')}"`)
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`
}
