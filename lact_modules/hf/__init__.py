"""Models in transformers' terms; importing this registers them with Auto classes."""

from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModelForCTC,
    AutoProcessor,
    AutoTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Processor,
)
from transformers.pipelines import PIPELINE_REGISTRY

from lact_modules.hf.configuration import LaCTConfig
from lact_modules.hf.model import LaCTForCTC
from lact_modules.hf.pipeline import SpeechRecognitionPipeline
from lact_modules.hf.tokenizer import LaCTTokenizer

__all__ = [
    "LaCTASRConfig",
    "LaCTASRForCTC",
    "LaCTConfig",
    "LaCTForCTC",
    "LaCTTokenizer",
    "SpeechRecognitionPipeline",
]

LaCTASRConfig = LaCTConfig
LaCTASRForCTC = LaCTForCTC

AutoConfig.register(LaCTConfig.model_type, LaCTConfig, exist_ok=True)
AutoModelForCTC.register(LaCTConfig, LaCTForCTC, exist_ok=True)
AutoTokenizer.register(LaCTConfig, LaCTTokenizer, exist_ok=True)
# waveforms as they are, which this class can return; and a processor of the two
AutoFeatureExtractor.register(LaCTConfig, Wav2Vec2FeatureExtractor, exist_ok=True)
AutoProcessor.register(LaCTConfig, Wav2Vec2Processor, exist_ok=True)
# reads files as `lact-asr` does, and is for all other models what it was
_task = PIPELINE_REGISTRY.supported_tasks["automatic-speech-recognition"]
_task["impl"] = SpeechRecognitionPipeline
