// esc10-1khz 1.1.0 in a Swift app: capture, decimator, student. Made from the bundle's card.
import AVFoundation
import CoreML

enum Card {
    static let name = "esc10-1khz"
    static let rateHz = 1000
    static let windowSamples = 5000  // 5 s
    static let hopSamples = 1000  // 1 s

    /// In the order of the probabilities.
    static let labels = [
        "chainsaw",
        "clock_tick",
        "crackling_fire",
        "crying_baby",
        "dog",
        "helicopter",
        "rain",
        "rooster",
        "sea_waves",
        "sneezing",
    ]
}

enum KilohearError: Error {
    case wrongLength(Int)
    case rateTooLow(Int)
    case noProbabilities
}

/// The bundle's `student.mlpackage`: waveform in, probabilities out; the front end is inside.
final class Student {
    private let model: MLModel
    private let input: MLMultiArray

    /// - Parameter compiled: the `.mlmodelc` that Xcode makes of the package.
    init(contentsOf compiled: URL) throws {
        model = try MLModel(contentsOf: compiled)
        input = try MLMultiArray(shape: [1, NSNumber(value: Card.windowSamples)], dataType: .float32)
    }

    /// Returns one probability a label for `windowSamples` numbers at `rateHz`, in [-1, 1].
    func classify(_ waveform: [Float]) throws -> [Float] {
        guard waveform.count == Card.windowSamples else {
            throw KilohearError.wrongLength(waveform.count)
        }
        let numbers = input.dataPointer.bindMemory(to: Float.self, capacity: Card.windowSamples)
        numbers.update(from: waveform, count: Card.windowSamples)
        let features = try MLDictionaryFeatureProvider(dictionary: ["waveform": input])
        let output = try model.prediction(from: features)
        guard let found = output.featureValue(for: "probabilities")?.multiArrayValue else {
            throw KilohearError.noProbabilities
        }
        return (0..<found.count).map { found[$0].floatValue }
    }
}

/// From the rate that the microphone grants to `rateHz`: a stream.
final class Decimator {
    private let up: Int
    private let down: Int
    private let half: Int
    private var phases: [[Float]] = []  // up x taps
    private var pending: [Float]  // what the filter still needs
    private var first: Int  // index of pending[0] in the stream
    private var given = 0  // samples given so far

    init(grantedHz: Int, rateHz: Int = Card.rateHz) throws {
        guard grantedHz >= rateHz else { throw KilohearError.rateTooLow(grantedHz) }
        let common = Decimator.greatestCommonDivisor(grantedHz, rateHz)
        up = rateHz / common
        down = grantedHz / common
        let taps = up == down ? [1.0] : Decimator.lowPass(rateHz, Double(grantedHz) * Double(up))
        half = taps.count / 2
        let perPhase = (taps.count + up - 1) / up
        for phase in 0..<up {
            phases.append((0..<perPhase).map { i in
                let tap = (perPhase - 1 - i) * up + phase
                return tap < taps.count ? Float(taps[tap] * Double(up)) : 0
            })
        }
        pending = [Float](repeating: 0, count: perPhase - 1)
        first = 1 - perPhase
    }

    /// Takes a block at the granted rate and returns what it completes at `rateHz`.
    func push(_ block: UnsafeBufferPointer<Float>) -> [Float] {
        pending.append(contentsOf: block)
        let perPhase = phases[0].count
        let end = first + pending.count
        let due = end * up - half - 1
        let ready = max(due < 0 ? 0 : due / down + 1, given)
        let outputs = (given..<ready).map { n -> Float in
            let at = n * down + half
            let taps = phases[at % up]
            let from = at / up - perPhase + 1 - first
            var sum: Float = 0
            for k in 0..<perPhase { sum += taps[k] * pending[from + k] }
            return sum
        }
        given = ready
        let drop = min(max((ready * down + half) / up - perPhase + 1 - first, 0), pending.count)
        pending.removeFirst(drop)
        first += drop
        return outputs
    }

    private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
        b == 0 ? a : greatestCommonDivisor(b, a % b)
    }

    /// Kaiser's formulas: Oppenheim & Schafer, Discrete-Time Signal Processing, 7.75 and 7.76.
    private static func lowPass(_ rateHz: Int, _ atHz: Double) -> [Double] {
        let stopHz = Double(rateHz) / 2
        let passHz = 0.9 * stopHz
        let width = 2 * Double.pi * (stopHz - passHz) / atHz
        let half = Int(((92.0 - 8.0) / (2.285 * width) / 2).rounded(.up))
        let beta = 0.1102 * (92.0 - 8.7)
        let cutoff = (passHz + stopHz) / atHz
        let taps = (-half...half).map { i -> Double in
            let x = Double.pi * cutoff * Double(i)
            let sinc = i == 0 ? 1.0 : sin(x) / x
            let along = Double(i) / Double(half)
            return cutoff * sinc * bessel(beta * (1 - along * along).squareRoot()) / bessel(beta)
        }
        let sum = taps.reduce(0, +)
        return taps.map { $0 / sum }
    }

    /// The modified Bessel function of order 0, by its series.
    private static func bessel(_ x: Double) -> Double {
        var sum = 1.0
        var term = 1.0
        var k = 1.0
        while term > 1e-17 * sum {
            term *= (x / (2 * k)) * (x / (2 * k))
            sum += term
            k += 1
        }
        return sum
    }
}

/// The microphone at the rate that the hardware grants; needs NSMicrophoneUsageDescription.
final class Listener {
    private let engine = AVAudioEngine()
    private let student: Student
    private var window: [Float] = []
    private var start = 0

    init(student: Student) {
        self.student = student
    }

    /// Calls back with each window's start in seconds and its probabilities, on a thread of its own.
    func listen(_ heard: @escaping (Double, [Float]) -> Void) throws {
        let session = AVAudioSession.sharedInstance()
        try session.setCategory(.record, mode: .measurement)
        try session.setPreferredSampleRate(8_000)
        try session.setActive(true)
        let format = engine.inputNode.outputFormat(forBus: 0)  // a tap takes no other
        let decimator = try Decimator(grantedHz: Int(format.sampleRate))
        engine.inputNode.installTap(onBus: 0, bufferSize: 4_096, format: format) { buffer, _ in
            guard let channel = buffer.floatChannelData?[0] else { return }
            let count = Int(buffer.frameLength)
            let fresh = decimator.push(UnsafeBufferPointer(start: channel, count: count))
            channel.update(repeating: 0, count: count)
            self.take(fresh, heard)
        }
        try engine.start()
    }

    func stop() {
        engine.inputNode.removeTap(onBus: 0)
        engine.stop()
    }

    private func take(_ samples: [Float], _ heard: (Double, [Float]) -> Void) {
        window += samples
        while window.count >= Card.windowSamples {
            if let probabilities = try? student.classify(Array(window.prefix(Card.windowSamples))) {
                heard(Double(start) / Double(Card.rateHz), probabilities)
            }
            window.removeFirst(Card.hopSamples)
            start += Card.hopSamples
        }
    }
}
