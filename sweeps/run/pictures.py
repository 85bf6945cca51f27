"""Collects the few generated images that each confirm trial leaves in the store, for the report."""

from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry
from sweeps.records.run_folder import RunFolder
from sweeps.run.controller import Controller, pictures_of
from sweeps.run.listeners import Listener


class PictureCollector(Listener):
    """Moves pictures from the store into the run folder as trials end."""

    def __init__(self, controller: Controller, folder: RunFolder) -> None:
        self._controller, self._folder = controller, folder.pictures

    def ended(self, trial: Trial, entry: Entry) -> None:
        """Fetch the trial's pictures, if it has left some."""
        if trial.phase != "confirm":
            return
        store, name = self._controller.store, pictures_of(trial)
        try:
            if content := store.get(name):
                self._folder.mkdir(parents=True, exist_ok=True)
                (self._folder / name).write_bytes(content)
                store.delete(name)
        except Exception as error:  # fsspec's systems have no error in common
            self._controller.notice(trial, f"its pictures could not be fetched ({error})")
