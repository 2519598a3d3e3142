// esc10-1khz 1.1.0 in a Kotlin app: capture, decimator, student. Made from the bundle's card.
package org.kilohear

import android.media.AudioFormat
import android.media.AudioRecord
import android.media.MediaRecorder
import java.io.Closeable
import kotlin.math.PI
import kotlin.math.ceil
import kotlin.math.sin
import kotlin.math.sqrt
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

object Card {
    const val NAME = "esc10-1khz"
    const val RATE_HZ = 1000
    const val WINDOW_SAMPLES = 5000 // 5 s
    const val HOP_SAMPLES = 1000 // 1 s

    /** In the order of the probabilities. */
    val LABELS = arrayOf(
        "chainsaw",
        "clock_tick",
        "crackling_fire",
        "crying_baby",
        "dog",
        "helicopter",
        "rain",
        "rooster",
        "sea_waves",
        "sneezing"
    )
}

/** The bundle's `student.pte`: waveform in, probabilities out; the front end is inside. */
class Student(path: String) : Closeable {
    private val module = Module.load(path, Module.LOAD_MODE_MMAP, 1)

    /** Returns one probability a label for Card.WINDOW_SAMPLES numbers at Card.RATE_HZ, in [-1, 1]. */
    fun classify(waveform: FloatArray): FloatArray {
        require(waveform.size == Card.WINDOW_SAMPLES) {
            "the waveform has ${waveform.size} samples, ${Card.NAME} takes ${Card.WINDOW_SAMPLES}"
        }
        val input = Tensor.fromBlob(waveform, longArrayOf(1, Card.WINDOW_SAMPLES.toLong()))
        return module.forward(EValue.from(input))[0].toTensor().dataAsFloatArray
    }

    override fun close() = module.destroy()
}

/** From the rate that the microphone grants to Card.RATE_HZ: a stream, its input overwritten. */
class Decimator(grantedHz: Int, rateHz: Int = Card.RATE_HZ) {
    private val up: Int
    private val down: Int
    private val half: Int
    private val phases: Array<FloatArray> // up x taps
    private var pending: FloatArray // what the filter still needs
    private var first: Long // index of pending[0] in the stream
    private var given = 0L // samples given so far

    init {
        require(grantedHz >= rateHz) {
            "the microphone grants $grantedHz Hz, below the student's $rateHz Hz"
        }
        val common = greatestCommonDivisor(grantedHz, rateHz)
        up = rateHz / common
        down = grantedHz / common
        val taps = if (up == down) doubleArrayOf(1.0) else lowPass(rateHz, grantedHz.toDouble() * up)
        half = taps.size / 2
        val perPhase = (taps.size + up - 1) / up
        phases = Array(up) { phase ->
            FloatArray(perPhase) { i ->
                val tap = (perPhase - 1 - i) * up + phase
                if (tap < taps.size) (taps[tap] * up).toFloat() else 0f
            }
        }
        pending = FloatArray(perPhase - 1)
        first = 1L - perPhase
    }

    /** Takes a block at the granted rate, overwrites it with zeros, returns what it completes. */
    fun push(block: FloatArray): FloatArray {
        val samples = pending + block
        block.fill(0f)
        pending.fill(0f)
        val perPhase = phases[0].size
        val end = first + samples.size
        val ready = maxOf(Math.floorDiv(end * up - half - 1, down.toLong()) + 1, given)
        val outputs = FloatArray((ready - given).toInt()) { i ->
            val at = (given + i) * down + half
            val taps = phases[(at % up).toInt()]
            val from = (at / up - perPhase + 1 - first).toInt()
            var sum = 0f
            for (k in taps.indices) sum += taps[k] * samples[from + k]
            sum
        }
        given = ready
        val keepFrom = (ready * down + half) / up - perPhase + 1
        val drop = (keepFrom - first).coerceIn(0L, samples.size.toLong()).toInt()
        pending = samples.copyOfRange(drop, samples.size)
        samples.fill(0f)
        first += drop
        return outputs
    }

    private companion object {
        const val PASS_EDGE = 0.9 // over the student's Nyquist frequency
        const val STOP_DB = 92.0

        fun greatestCommonDivisor(a: Int, b: Int): Int = if (b == 0) a else greatestCommonDivisor(b, a % b)

        /** Kaiser's formulas: Oppenheim & Schafer, Discrete-Time Signal Processing, 7.75, 7.76. */
        fun lowPass(rateHz: Int, atHz: Double): DoubleArray {
            val stopHz = rateHz / 2.0
            val passHz = PASS_EDGE * stopHz
            val width = 2 * PI * (stopHz - passHz) / atHz
            val half = ceil((STOP_DB - 8.0) / (2.285 * width) / 2).toInt()
            val beta = 0.1102 * (STOP_DB - 8.7)
            val cutoff = (passHz + stopHz) / atHz
            val taps = DoubleArray(2 * half + 1) { i ->
                val x = PI * cutoff * (i - half)
                val sinc = if (i == half) 1.0 else sin(x) / x
                val along = (i - half).toDouble() / half
                cutoff * sinc * bessel(beta * sqrt(1 - along * along)) / bessel(beta)
            }
            val sum = taps.sum()
            return DoubleArray(taps.size) { taps[it] / sum }
        }

        /** The modified Bessel function of order 0, by its series. */
        fun bessel(x: Double): Double {
            var sum = 1.0
            var term = 1.0
            var k = 1
            while (term > 1e-17 * sum) {
                term *= (x / (2 * k)) * (x / (2 * k))
                sum += term
                k += 1
            }
            return sum
        }
    }
}

/** Windows of Card.WINDOW_SAMPLES every Card.HOP_SAMPLES over a stream of blocks at the granted rate. */
class Listener(private val student: Student, grantedHz: Int) {
    private val decimator = Decimator(grantedHz)
    private val window = FloatArray(Card.WINDOW_SAMPLES)
    private var filled = 0
    private var start = 0L

    /** Takes a block and overwrites it; calls back with each window's start and probabilities. */
    fun push(block: FloatArray, heard: (startS: Double, probabilities: FloatArray) -> Unit) {
        for (sample in decimator.push(block)) {
            window[filled] = sample
            filled += 1
            if (filled < Card.WINDOW_SAMPLES) continue
            heard(start.toDouble() / Card.RATE_HZ, student.classify(window))
            System.arraycopy(window, Card.HOP_SAMPLES, window, 0, Card.WINDOW_SAMPLES - Card.HOP_SAMPLES)
            filled = Card.WINDOW_SAMPLES - Card.HOP_SAMPLES
            start += Card.HOP_SAMPLES
        }
    }
}

/** The microphone at the lowest rate that is granted; needs RECORD_AUDIO. Blocks: use a thread. */
fun listen(
    student: Student,
    isListening: () -> Boolean,
    heard: (startS: Double, probabilities: FloatArray) -> Unit
) {
    val record = arrayOf(8_000, 16_000, 48_000).asSequence().mapNotNull { microphone(it) }.firstOrNull()
    check(record != null) { "no rate is granted; is RECORD_AUDIO granted, is the microphone in use?" }
    try {
        record.startRecording()
        val listener = Listener(student, record.sampleRate)
        val block = FloatArray(record.sampleRate / 10)
        while (isListening()) {
            val read = record.read(block, 0, block.size, AudioRecord.READ_BLOCKING)
            check(read > 0) { "the microphone is gone: error $read" }
            if (read == block.size) listener.push(block, heard) else listener.push(block.copyOf(read), heard)
            block.fill(0f)
        }
    } finally {
        record.release()
    }
}

private fun microphone(rateHz: Int): AudioRecord? {
    val channel = AudioFormat.CHANNEL_IN_MONO
    val encoding = AudioFormat.ENCODING_PCM_FLOAT
    val least = AudioRecord.getMinBufferSize(rateHz, channel, encoding)
    if (least <= 0) return null
    val source = MediaRecorder.AudioSource.VOICE_RECOGNITION // no gain control, no echo cancelling
    val record = AudioRecord(source, rateHz, channel, encoding, maxOf(least, rateHz * 4))
    if (record.state == AudioRecord.STATE_INITIALIZED) return record
    record.release()
    return null
}
